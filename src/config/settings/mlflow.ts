import { z } from 'zod'
import { endpoint, headerText, list, secret, text, wholeNumber } from './forms.js'

const ALIAS_EFFECTS = ['decides', 'proposes'] as const

// MLflow forbids / and : in names; a comma parts the entries of the list.
const FOLLOWED = /^[^/:@,\p{Cc}]+(?:@[^/:@,\p{Cc}]+)?$/u
const ALIAS = /^[^/:@,\s\p{Cc}]{1,255}$/u

/** The registry that model versions are fetched from. */
export const mlflowSettings = {
  RISKGATE_MLFLOW_URL: endpoint('https:', 'http:')
    .optional()
    .describe(
      'tracking URI of an MLflow server, for `riskgate model fetch`, `model init --from-mlflow` and `RISKGATE_MLFLOW_MODELS`. ' +
        'A private CA: `NODE_EXTRA_CA_CERTS`. `HTTPS_PROXY` is not used',
    ),
  RISKGATE_MLFLOW_TOKEN: headerText.optional().describe('bearer token for MLflow, in place of user and password'),
  RISKGATE_MLFLOW_USER: headerText
    .refine(value => !value.includes(':'), 'must not contain a colon')
    .optional()
    .describe('user for basic authentication at MLflow'),
  RISKGATE_MLFLOW_PASSWORD: headerText.optional().describe('password of this user'),
  RISKGATE_MLFLOW_MODELS: list(isFollowed, 'names of registered models, each perhaps with its alias as name@alias')
    .refine(entries => new Set(entries.map(nameIn)).size === entries.length, 'must name each model only once')
    .default([])
    .describe('registered models whose alias the gateway [follows](mlflow.md)'),
  RISKGATE_MLFLOW_ALIAS: text
    .regex(ALIAS, 'must be the name of an alias')
    .meta({ form: 'the name of an alias' })
    .default('champion')
    .describe('alias that is followed where `RISKGATE_MLFLOW_MODELS` names none'),
  RISKGATE_MLFLOW_ALIAS_EFFECT: z
    .enum(ALIAS_EFFECTS, `must be ${ALIAS_EFFECTS.join(' or ')}`)
    .default('proposes')
    .describe(
      '`decides`: the version that the alias names becomes champion as soon as it is admitted. `proposes`: somebody with the role ' +
        'MODEL_MANAGER promotes it',
    ),
  RISKGATE_MLFLOW_POLL_SECONDS: wholeNumber(1, 3_600)
    .default(30)
    .describe('pause between two questions for an alias; up to a tenth longer or shorter, by chance'),
  RISKGATE_MLFLOW_WEBHOOK_SECRET: secret
    .optional()
    .describe('secret of the webhook in MLflow that calls `/mlflow/webhook`; without it there is no such address'),
  RISKGATE_MLFLOW_MAX_MEGABYTES: wholeNumber(1, 10_240)
    .default(1_024)
    .describe('how large all files of a version may be together'),
  RISKGATE_MLFLOW_DOWNLOAD_SECONDS: wholeNumber(1, 7_200)
    .default(900)
    .describe('how long the download of all files of a version may take'),
}

function isFollowed(entry: string): entry is string {
  return FOLLOWED.test(entry)
}

/** The name of the model in `name@alias`. */
function nameIn(entry: string): string {
  return entry.split('@', 1)[0] as string
}
