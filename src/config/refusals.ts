import { isLoopback } from './loopback.js'
import type { Settings } from './settings.js'

/** What the rules between settings look at. */
interface Start {
  readonly isDevelopment: boolean
  /** Whether a setting is given, by its value or by its file. A file that cannot be read counts too: it is a problem of its own. */
  readonly isGiven: (key: keyof Settings) => boolean
  /** The valid settings: nothing is reported against one that is itself wrong. */
  readonly env: Partial<Settings>
}

/** A combination of settings that ends the start, and the sentence that says so. */
interface Refusal {
  readonly problem: string
  readonly applies: (start: Start) => boolean
}

const isProduction = ({ env }: Start) => env.NODE_ENV === 'production'
const lacksKey = ({ isDevelopment, isGiven }: Start) =>
  !isDevelopment && !isGiven('RISKGATE_JWT_SECRET') && !isGiven('RISKGATE_JWKS_URL')

/** An alert without its prediction would be a gap in the feed. */
export const PREDICTIONS_BEFORE_ALERTS = {
  problem: 'RISKGATE_PREDICTION_RETENTION_DAYS must not be less than RISKGATE_ALERT_RETENTION_DAYS.',
  applies: ({ env }: Pick<Start, 'env'>) => {
    const { RISKGATE_PREDICTION_RETENTION_DAYS: predictions, RISKGATE_ALERT_RETENTION_DAYS: alerts } = env
    return predictions !== undefined && alerts !== undefined && predictions < alerts
  },
}

/** Half of the credentials would be sent as none. */
export const MLFLOW_REFUSALS: readonly Refusal[] = [
  {
    problem: 'RISKGATE_MLFLOW_USER and RISKGATE_MLFLOW_PASSWORD must be set together.',
    applies: ({ isGiven }) => isGiven('RISKGATE_MLFLOW_USER') !== isGiven('RISKGATE_MLFLOW_PASSWORD'),
  },
  {
    problem: 'RISKGATE_MLFLOW_TOKEN must not be set when RISKGATE_MLFLOW_USER is.',
    applies: ({ isGiven }) => isGiven('RISKGATE_MLFLOW_TOKEN') && isGiven('RISKGATE_MLFLOW_USER'),
  },
]

/** All of them, in the order in which they are reported. docs/operations/settings.md lists their sentences. */
export const REFUSALS: readonly Refusal[] = [
  {
    problem: 'DATABASE_URL must be set when NODE_ENV is production.',
    applies: start => isProduction(start) && !start.isGiven('DATABASE_URL'),
  },
  {
    problem: 'RISKGATE_JWT_SECRET or RISKGATE_JWKS_URL must be set when NODE_ENV is production.',
    applies: start => lacksKey(start) && isProduction(start),
  },
  {
    problem: 'RISKGATE_JWT_SECRET or RISKGATE_JWKS_URL must be set unless RISKGATE_DEVELOPMENT is true.',
    applies: start => lacksKey(start) && !isProduction(start) && start.isGiven('RISKGATE_DEVELOPMENT'),
  },
  {
    problem:
      'RISKGATE_JWT_SECRET or RISKGATE_JWKS_URL must be set unless riskgate serves this machine alone or RISKGATE_DEVELOPMENT is true.',
    applies: start => lacksKey(start) && !isProduction(start) && !start.isGiven('RISKGATE_DEVELOPMENT'),
  },
  PREDICTIONS_BEFORE_ALERTS,
  {
    problem: 'RISKGATE_DEVELOPMENT must not be true when NODE_ENV is production.',
    applies: start => isProduction(start) && start.env.RISKGATE_DEVELOPMENT === true,
  },
  {
    problem: 'RISKGATE_JWT_PREVIOUS_SECRET must not be set without RISKGATE_JWT_SECRET.',
    applies: ({ isGiven }) => isGiven('RISKGATE_JWT_PREVIOUS_SECRET') && !isGiven('RISKGATE_JWT_SECRET'),
  },
  {
    problem: 'RISKGATE_JWKS_URL must begin with https:// unless it is on this machine.',
    applies: ({ env: { RISKGATE_JWKS_URL: url } }) => url !== undefined && !isPrivatelyRead(new URL(url)),
  },
  {
    // Nothing would be verified, although it looks so.
    problem: 'RISKGATE_REDIS_CA_FILE needs a REDIS_URL that begins with rediss://.',
    applies: ({ isGiven, env: { REDIS_URL: url } }) =>
      isGiven('RISKGATE_REDIS_CA_FILE') && (url === undefined ? !isGiven('REDIS_URL') : !/^rediss/i.test(url)),
  },
  {
    problem:
      'RISKGATE_WEBHOOK_PRIVATE_NETWORKS must not be set when RISKGATE_WEBHOOK_ALLOW_PRIVATE is true, which allows all networks.',
    applies: ({ isGiven, env }) => isGiven('RISKGATE_WEBHOOK_PRIVATE_NETWORKS') && env.RISKGATE_WEBHOOK_ALLOW_PRIVATE === true,
  },
  {
    problem: 'RISKGATE_TLS_CERT_FILE and RISKGATE_TLS_KEY_FILE must be set together.',
    applies: ({ isGiven }) => isGiven('RISKGATE_TLS_CERT_FILE') !== isGiven('RISKGATE_TLS_KEY_FILE'),
  },
  ...MLFLOW_REFUSALS,
  {
    problem: 'RISKGATE_MLFLOW_MODELS needs RISKGATE_MLFLOW_URL.',
    applies: ({ isGiven, env }) => (env.RISKGATE_MLFLOW_MODELS?.length ?? 0) > 0 && !isGiven('RISKGATE_MLFLOW_URL'),
  },
  {
    // Its address would be open, and nothing would come of a call.
    problem: 'RISKGATE_MLFLOW_WEBHOOK_SECRET must not be set without RISKGATE_MLFLOW_MODELS.',
    applies: ({ isGiven }) => isGiven('RISKGATE_MLFLOW_WEBHOOK_SECRET') && !isGiven('RISKGATE_MLFLOW_MODELS'),
  },
]

/** Whether nobody on the way can replace the issuer's keys with their own. */
function isPrivatelyRead({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || isLoopback(hostname.replace(/[[\]]/g, ''))
}
