// What riskgate says, for the comparison with what the chart and the templates of clouds say.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SECRETS, settings } from '../../dist/config/settings.js'
import { Metrics } from '../../dist/observability/metrics.js'
import { Database } from '../../dist/storage/postgres/database.js'
import { ofKind } from './chart.mjs'

const SECRET_FILES = mkdtempSync(join(tmpdir(), 'riskgate-secrets-'))
process.on('exit', () => rmSync(SECRET_FILES, { recursive: true, force: true }))
const SAMPLES = {
  DATABASE_URL_FILE: 'postgres://riskgate:secret@database.example:5432/riskgate?sslmode=verify-full',
  REDIS_URL_FILE: 'rediss://:secret@redis.example:6379',
  RISKGATE_JWT_SECRET_FILE: 'a-secret-of-more-than-thirty-two-bytes',
  RISKGATE_JWT_PREVIOUS_SECRET_FILE: 'another-secret-of-more-than-thirty-two-bytes',
  RISKGATE_MLFLOW_TOKEN_FILE: 'a-token',
  RISKGATE_RELEASE_KEY_FILE: 'a-key-of-more-than-thirty-two-bytes-for-reports',
  RISKGATE_MLFLOW_PASSWORD_FILE: 'a-password',
  RISKGATE_MLFLOW_WEBHOOK_SECRET_FILE: 'a-secret-of-more-than-thirty-two-bytes',
}

// An image for production may set these itself.
const IMAGE_ENVIRONMENT = { NODE_ENV: 'production', RISKGATE_HOST: '0.0.0.0' }

const read = file => readFileSync(file, 'utf8')

/** What is read from a text throws where that has changed its form: nothing is compared with nothing. */
export const sourceOf = {
  secrets: SECRETS,
  addresses: [...read('src/server/health.ts').matchAll(/server\.get\('([^']+)'/g)].map(([, address]) => address),
  metrics: new Metrics().registry.getMetricsAsArray().map(({ name }) => name),
  /** Between two signs of life of a stream. */
  keepAliveMs: numberIn('src/server/streams/eventStream.ts', /KEEP_ALIVE_MS = ([\d_]+)/),
  /** After this time between two requests the gateway closes a connection, unless its setting says otherwise. */
  idleConnectionMs: settings.shape.RISKGATE_KEEP_ALIVE_SECONDS.parse(undefined) * 1_000,
  connectionsBesidePool: await connectionsBesidePool(),
  samples: SAMPLES,

  /** The environment of a container on top of the image's, with files that exist in place of mounted secrets. */
  environment({ env }, { database = SAMPLES.DATABASE_URL_FILE } = {}) {
    const samples = { ...SAMPLES, DATABASE_URL_FILE: database }
    const own = env.map(({ name, value }) => [name, name in samples ? fileWith(name, samples[name]) : value])
    return { ...IMAGE_ENVIRONMENT, ...Object.fromEntries(own) }
  },
}

function numberIn(file, pattern) {
  return Number(pattern.exec(read(file))[1].replaceAll('_', ''))
}

/** A replica opens some connections whose number is not taken from RISKGATE_DATABASE_POOL_SIZE. */
async function connectionsBesidePool() {
  const poolSize = 10
  // It connects at the first call, and there is none.
  const database = new Database({ url: 'postgres://127.0.0.1/none', poolSize, warn: () => {} })
  const sizes = Object.values(database.pools).map(({ size }) => size)
  await database.close()
  return sizes.reduce((sum, size) => sum + size) - poolSize
}

/** The Deployment of the gateway. */
export function gatewayOf(objects) {
  const [deployment] = ofKind(objects, 'Deployment')
  return deployment
}

function fileWith(name, text) {
  const file = join(SECRET_FILES, name)
  writeFileSync(file, text)
  return file
}
