import { z } from 'zod'
import { databaseSettings } from './settings/database.js'
import { limitSettings } from './settings/limits.js'
import { mlflowSettings } from './settings/mlflow.js'
import { modelSettings } from './settings/models.js'
import { observabilitySettings } from './settings/observability.js'
import { redisSettings } from './settings/redis.js'
import { retentionSettings } from './settings/retention.js'
import { serverSettings } from './settings/server.js'
import { tokenSettings } from './settings/tokens.js'
import { webhookSettings } from './settings/webhooks.js'

/** Every setting, by its environment variable. `npm run generate` writes docs/operations/settings.md from them. */
export const settings = z.object({
  ...serverSettings,
  ...databaseSettings,
  ...redisSettings,
  ...tokenSettings,
  ...limitSettings,
  ...retentionSettings,
  ...webhookSettings,
  ...modelSettings,
  ...mlflowSettings,
  ...observabilitySettings,
})

export type Settings = z.infer<typeof settings>

/** The same, by the headings of the page. */
export const SETTING_GROUPS = {
  Server: serverSettings,
  'Database and Redis': { ...databaseSettings, ...redisSettings },
  Tokens: tokenSettings,
  Limits: limitSettings,
  Retention: retentionSettings,
  Webhooks: webhookSettings,
  'Model releases': modelSettings,
  MLflow: mlflowSettings,
  'Logs and traces': observabilitySettings,
} as const

/** Settings that are never shown, and may also come from the file that `<name>_FILE` names. */
export const SECRETS = [
  'DATABASE_URL',
  'REDIS_URL',
  'RISKGATE_JWT_SECRET',
  'RISKGATE_JWT_PREVIOUS_SECRET',
  'RISKGATE_RELEASE_KEY',
  'RISKGATE_MLFLOW_TOKEN',
  'RISKGATE_MLFLOW_PASSWORD',
  'RISKGATE_MLFLOW_WEBHOOK_SECRET',
] as const
