import { uuidv7obj } from 'uuidv7'
import type { NewPrediction, Prediction } from '../../src/scoring/prediction.js'
import { AlertStore } from '../../src/storage/alerts/alertStore.js'
import { AuditWriter } from '../../src/storage/audit/auditWriter.js'
import { HistoryStore } from '../../src/storage/history/historyStore.js'
import { migrateDatabase } from '../../src/storage/migrate.js'
import { Database } from '../../src/storage/postgres/database.js'
import { type Committed, PredictionStore } from '../../src/storage/predictions/predictionStore.js'

export interface TestStores extends AsyncDisposable {
  readonly database: Database
  readonly predictions: PredictionStore
  readonly alerts: AlertStore
  readonly history: HistoryStore
  /** The number of rows of each committed statement. */
  readonly commits: number[]
  readonly warnings: string[]
  /** The pool and the result of each call of the database. */
  readonly calls: string[]
}

/** The stores of one gateway over a database; migrates it first. */
export async function openStores(url: string, committed?: Committed): Promise<TestStores> {
  await migrateDatabase(url)
  return storesOf(url, committed)
}

/** The stores of one gateway over a database as it is. */
export function storesOf(
  url: string,
  committed: Committed = async () => {},
  { isPooled }: { isPooled?: boolean } = {},
): TestStores {
  const warnings: string[] = []
  const commits: number[] = []
  const calls: string[] = []
  const database = new Database({
    url,
    isPooled,
    poolSize: 10,
    warn: message => warnings.push(message),
    called: (...call) => calls.push(call.slice(0, 2).join(' ')),
  })
  return {
    database,
    predictions: new PredictionStore({
      database,
      audit: new AuditWriter(database, () => {}),
      committed,
      observeCommit: (_seconds, rows) => commits.push(rows),
    }),
    alerts: new AlertStore(database),
    history: new HistoryStore(database),
    commits,
    warnings,
    calls,
    [Symbol.asyncDispose]: () => database.close(),
  }
}

/** A scored application: high risk by default, and without an idempotency key unless one is given. */
export function newPrediction({
  key,
  digest = 'd',
  ...given
}: Partial<Prediction> & { key?: string; digest?: string } = {}): NewPrediction {
  const uuid = uuidv7obj()
  const milliseconds = Number.parseInt(uuid.toHex().slice(0, 12), 16)
  return {
    prediction: {
      id: uuid.toString(),
      tenant: 'default',
      applicantId: 'applicant',
      model: 'consumer-credit',
      modelVersion: '2',
      probability: 0.75,
      band: 'T8',
      highRisk: true,
      channel: null,
      createdAt: new Date(milliseconds),
      requestedBy: 'web-shop',
      ...given,
    },
    features: { income: 100 },
    idempotency: key === undefined ? undefined : { key, digest },
  }
}

/** An id made at that instant. */
export function idAt(instant: Date): string {
  const milliseconds = instant.getTime().toString(16).padStart(12, '0')
  const random = uuidv7obj().toHex().slice(12)
  const hex = milliseconds + random
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
