import type { LatestPredictions } from '../scoring/latestPredictions.js'
import { TextCheck } from '../storage/predictions/textCheck.js'
import type { Audit } from './audit.js'
import type { Kit } from './kit.js'

const CHECK_EVERY_MS = 10_000
// About a second. A longer history is checked by the upkeep, while the gateway serves.
const STATEMENTS_AT_START = 100

interface Needs {
  readonly audit: Audit
  readonly latest: LatestPredictions
  /** Ends the check that a start waits for. */
  readonly signal: AbortSignal
}

/** Brings stored texts into their canonical form: a short history before callers are let in, a long one beside them. */
export async function startTexts({ database, logger, upkeep }: Kit, { audit, latest, signal }: Needs): Promise<void> {
  const check = new TextCheck(database, audit.digest, stored => latest.remember(stored))
  const run = async (ended: AbortSignal, mostStatements?: number) => {
    const rows = await check.run(ended, mostStatements)
    if (rows > 0) logger.info({ rows }, 'stored texts were brought into their canonical form')
  }
  upkeep({ name: 'canonical texts', everyMs: CHECK_EVERY_MS, run: ended => run(ended) })
  // The database may be away for a moment; the upkeep comes back to it.
  await run(signal, STATEMENTS_AT_START).catch(() => {})
}
