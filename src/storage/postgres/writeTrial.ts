import type { ConnectionPool } from './connectionPool.js'
import { postgresErrorCode } from './postgresErrors.js'

// An orchestrator asks every few seconds. A trial takes about as long as the write of a prediction.
const TRIAL_EVERY_MS = 2_000
// A disk with little space left takes one write and refuses the next. Readiness must not change with each of them.
const STEADY_MS = 10_000

const REASONS: readonly (readonly [code: RegExp, reason: string])[] = [
  [/^53100$/, 'disk full'],
  [/^58/, 'its files are missing, or its disk fails'],
  [/^25006$/, 'it is read-only, like a standby'],
]

/**
 * A write that leaves nothing behind: a message in the log of the server, which is flushed, and a temporary file of some hundred
 * kilobytes. A row would not do: it may find room in a page that its table has already. The file is made next to the tables, since
 * `temp_tablespaces` may name another disk.
 */
const TRIAL = `do $$ begin
  if current_setting('transaction_read_only')::boolean then raise 'read-only' using errcode = '25006'; end if;
  perform set_config('temp_tablespaces', '', true), set_config('work_mem', '64kB', true);
  begin
    perform pg_logical_emit_message(true, 'riskgate', 'readiness');
  exception when insufficient_privilege or undefined_function or feature_not_supported or object_not_in_prerequisite_state then null;
  end;
  perform count(*) from generate_series(1, 20000);
end $$`

// The trial is not possible on this server: the role may not change a setting, or not make such a file.
const IMPOSSIBLE = /^(42|53400|0A000)/

export interface WriteTrialParts {
  readonly run: ConnectionPool['run']
  /** Called once for each time that writes begin to be refused. */
  readonly refused: (reason: string) => void
}

/** Whether Postgres takes writes: learns from those of the gateway, and tries one from time to time. */
export class WriteTrial {
  readonly #parts: WriteTrialParts
  #reason: string | undefined
  #refusedAt = 0
  #triedAt = Number.NEGATIVE_INFINITY

  constructor(parts: WriteTrialParts) {
    this.#parts = parts
  }

  /** Notes a statement that failed. Answers why the server refuses all writes; undefined where the error does not say that. */
  failed(error: unknown): string | undefined {
    const code = postgresErrorCode(error)
    const [, why] = REASONS.find(([codes]) => codes.test(code)) ?? []
    if (why === undefined) return undefined
    const reason = `Postgres refuses writes: ${why} (${code})`
    if (this.#reason === undefined) this.#parts.refused(reason)
    this.#reason = reason
    this.#refusedAt = performance.now()
    return reason
  }

  /** Why writes are refused; undefined where they are not. Rejects when Postgres does not answer. */
  async problem(): Promise<string | undefined> {
    if (performance.now() - this.#triedAt >= TRIAL_EVERY_MS) {
      this.#triedAt = performance.now()
      await this.#parts
        .run(({ sql }) => sql.unsafe(TRIAL))
        .catch(error => {
          if (this.failed(error) === undefined && !IMPOSSIBLE.test(postgresErrorCode(error))) throw error
        })
    }
    if (performance.now() - this.#refusedAt >= STEADY_MS) this.#reason = undefined
    return this.#reason
  }
}
