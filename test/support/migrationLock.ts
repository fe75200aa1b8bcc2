import type { TestDatabase } from './database.js'

/** Takes the lock that a gateway holds while it migrates. */
export async function migrationLock({ sql }: TestDatabase): Promise<{ release(): Promise<void> }> {
  const holder = await sql.reserve()
  await holder`select pg_advisory_lock(7475002417)`
  return {
    async release() {
      await holder`select pg_advisory_unlock(7475002417)`
      holder.release()
    },
  }
}
