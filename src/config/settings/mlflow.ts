import { endpoint, headerText } from './forms.js'

/** The registry that model versions are fetched from. */
export const mlflowSettings = {
  RISKGATE_MLFLOW_URL: endpoint('https:', 'http:')
    .optional()
    .describe(
      'tracking URI of an MLflow server, for `riskgate model fetch` and `model init --from-mlflow`. ' +
        'A private CA: `NODE_EXTRA_CA_CERTS`. `HTTPS_PROXY` is not used',
    ),
  RISKGATE_MLFLOW_TOKEN: headerText.optional().describe('bearer token for MLflow, in place of user and password'),
  RISKGATE_MLFLOW_USER: headerText
    .refine(value => !value.includes(':'), 'must not contain a colon')
    .optional()
    .describe('user for basic authentication at MLflow'),
  RISKGATE_MLFLOW_PASSWORD: headerText.optional().describe('password of this user'),
}
