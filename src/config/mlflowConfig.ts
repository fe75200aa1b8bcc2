import { resolve } from 'node:path'
import { ConfigError } from '../errors.js'
import { readSettings } from './environment.js'
import { MLFLOW_REFUSALS } from './refusals.js'
import type { Settings } from './settings.js'

/** An MLflow server, and what a version may cost. */
export interface MlflowPlace {
  readonly url: URL
  readonly token: string | undefined
  readonly basic: { readonly user: string; readonly password: string } | undefined
  /** For all files of a version. */
  readonly maxBytes: number
  readonly downloadMs: number
}

/** What the commands that fetch from MLflow need. */
export interface MlflowConfig extends MlflowPlace {
  readonly stateDirectory: string
  readonly modelsDirectory: string
}

/** What the gateway follows in MLflow. */
export interface FollowedMlflow extends MlflowPlace {
  readonly models: readonly { readonly name: string; readonly alias: string }[]
  /** Whether the version that the alias names becomes champion without a person. */
  readonly aliasDecides: boolean
  readonly pollMs: number
  /** Absent: webhooks are not taken. */
  readonly webhookSecret: string | undefined
}

const PLACE = [
  'RISKGATE_MLFLOW_URL',
  'RISKGATE_MLFLOW_TOKEN',
  'RISKGATE_MLFLOW_USER',
  'RISKGATE_MLFLOW_PASSWORD',
  'RISKGATE_MLFLOW_MAX_MEGABYTES',
  'RISKGATE_MLFLOW_DOWNLOAD_SECONDS',
] as const
const FOLDERS = ['RISKGATE_STATE_DIR', 'RISKGATE_MODELS_DIR'] as const

type PlaceSettings = Pick<Settings, (typeof PLACE)[number]>

/** What fetching from MLflow needs. @throws ConfigError where it is not set or not usable */
export function loadMlflowConfig(variables: NodeJS.ProcessEnv = process.env): MlflowConfig {
  const { env, problems } = readSettings(variables, [...FOLDERS, ...PLACE])
  const start = { env, isDevelopment: false, isGiven: (key: string) => (env as Record<string, unknown>)[key] !== undefined }
  const refused = MLFLOW_REFUSALS.filter(({ applies }) => applies(start)).map(({ problem }) => problem)
  const all = problems.length > 0 ? problems : refused
  if (all.length > 0) throw new ConfigError(all)
  // Without a problem, every setting has its value or its default.
  const valid = env as PlaceSettings & Pick<Settings, (typeof FOLDERS)[number]>
  const place = mlflowPlace(valid)
  if (place === undefined) throw new ConfigError(['RISKGATE_MLFLOW_URL must be set: the tracking URI of MLflow.'])
  return { ...place, stateDirectory: resolve(valid.RISKGATE_STATE_DIR), modelsDirectory: resolve(valid.RISKGATE_MODELS_DIR) }
}

/** Undefined where no model is followed. */
export function followedMlflow(env: Settings): FollowedMlflow | undefined {
  const place = mlflowPlace(env)
  if (place === undefined || env.RISKGATE_MLFLOW_MODELS.length === 0) return undefined
  return {
    ...place,
    models: env.RISKGATE_MLFLOW_MODELS.map(entry => {
      const [name = '', alias = env.RISKGATE_MLFLOW_ALIAS] = entry.split('@')
      return { name, alias }
    }),
    aliasDecides: env.RISKGATE_MLFLOW_ALIAS_EFFECT === 'decides',
    pollMs: env.RISKGATE_MLFLOW_POLL_SECONDS * 1_000,
    webhookSecret: env.RISKGATE_MLFLOW_WEBHOOK_SECRET,
  }
}

function mlflowPlace(env: PlaceSettings): MlflowPlace | undefined {
  const { RISKGATE_MLFLOW_URL: url, RISKGATE_MLFLOW_USER: user, RISKGATE_MLFLOW_PASSWORD: password } = env
  if (url === undefined) return undefined
  return {
    url: new URL(url),
    token: env.RISKGATE_MLFLOW_TOKEN,
    basic: user !== undefined && password !== undefined ? { user, password } : undefined,
    maxBytes: env.RISKGATE_MLFLOW_MAX_MEGABYTES * 1024 ** 2,
    downloadMs: env.RISKGATE_MLFLOW_DOWNLOAD_SECONDS * 1_000,
  }
}
