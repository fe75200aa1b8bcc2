import type { Sql } from 'postgres'

const LONGEST_MS = 50

/**
 * Delays the commits of a random `percent` of alerts by up to 50 ms. Their transactions have taken their sequence numbers, and
 * other transactions commit before them. A feed that read by the sequence alone would skip them.
 */
export async function slowCommits(sql: Sql, percent: number): Promise<void> {
  if (percent === 0) return
  // Deferred, so that it runs when the statement is done and its transaction is about to commit.
  await sql.unsafe(`
    create function slow_commit() returns trigger language plpgsql as $$ begin
      if random() < ${percent / 100} then perform pg_sleep(random() * ${LONGEST_MS / 1_000}); end if;
      return null;
    end $$;
    create constraint trigger slow_commit after insert on alerts deferrable initially deferred
      for each row execute function slow_commit()`)
}
