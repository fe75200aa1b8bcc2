import { readFile } from 'node:fs/promises'
import { postRequest } from './keepAliveConnection.mjs'

const HELD_OUT = new URL('../training/held_out.jsonl', import.meta.url)
const CHANNEL = 'web'
export const BATCH_ROWS = 100

const FIELDS = 'id applicantId probability band highRisk createdAt'
const PREDICT_RISK = `mutation PredictRisk($input: PredictRiskInput!) {
  predictRisk(input: $input) { replayed prediction { ${FIELDS} } }
}`
const PREDICT_RISK_BATCH = `mutation PredictRiskBatch($input: PredictRiskBatchInput!) {
  predictRiskBatch(input: $input) { results { index replayed errors { code message path } prediction { ${FIELDS} } } }
}`

/** The held-out applicants, in the form that the floor takes them. */
export async function heldOutApplications() {
  const lines = (await readFile(HELD_OUT, 'utf8')).trimEnd().split('\n')
  return lines.map(line => {
    const { applicantId, features } = JSON.parse(line)
    return { applicantId, channel: CHANNEL, features }
  })
}

/** Full groups of BATCH_ROWS; a rest is left out. */
export function batchesOf(applications) {
  const count = Math.floor(applications.length / BATCH_ROWS)
  return Array.from({ length: count }, (_, i) => applications.slice(i * BATCH_ROWS, (i + 1) * BATCH_ROWS))
}

/** The requests to each server, and how to read the ids of stored predictions from an answer; throws on any other answer. */
export const SHAPES = {
  floor: {
    requests: applications => applications.map(application => post('/', {}, application)),
    idsIn: ({ id }) => [id],
  },
  predictRisk: {
    requests: (applications, headers) =>
      applications.map(application => graphql(headers, 'PredictRisk', PREDICT_RISK, inputOf(application))),
    idsIn: ({ data, errors }) => {
      if (errors) throw new Error(`riskgate answered ${JSON.stringify(errors)}`)
      return [data.predictRisk.prediction.id]
    },
  },
  predictRiskBatch: {
    requests: (applications, headers) =>
      batchesOf(applications).map(batch =>
        graphql(headers, 'PredictRiskBatch', PREDICT_RISK_BATCH, { items: batch.map(inputOf) }),
      ),
    idsIn: ({ data, errors }) => {
      if (errors) throw new Error(`riskgate answered ${JSON.stringify(errors)}`)
      return data.predictRiskBatch.results.map(({ prediction }) => prediction.id)
    },
  },
  restPredict: {
    requests: (applications, headers) => applications.map(application => post('/api/predict', headers, restInputOf(application))),
    idsIn: ({ id }) => [id],
  },
  restPredictBatch: {
    requests: (applications, headers) =>
      batchesOf(applications).map(batch => post('/api/predict/batch', headers, { items: batch.map(restInputOf) })),
    idsIn: ({ results }) => results.map(({ prediction }) => prediction.id),
  },
}

function restInputOf({ applicantId, channel, features }) {
  return { applicantId, channel, model: 'consumer-credit', features }
}

function inputOf({ applicantId, channel, features }) {
  return { applicantId, channel, features: { consumerCredit: features } }
}

function graphql(headers, operationName, query, input) {
  return post('/graphql', headers, { operationName, query, variables: { input } })
}

function post(path, headers, body) {
  return postRequest({ path, headers, body: JSON.stringify(body) })
}
