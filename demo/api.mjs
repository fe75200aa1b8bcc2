import { createClient } from 'graphql-ws'
import WebSocket from 'ws'

const REQUEST_TIMEOUT_MS = 10_000

const PREDICT_RISK = `mutation DemoPredictRisk($input: PredictRiskInput!) {
  predictRisk(input: $input) { replayed prediction { id applicantId probability band highRisk } }
}`
const ALERT_CURSOR = 'query DemoAlertCursor { alertCursor }'
const HIGH_RISK_SCORED = `subscription DemoAlerts($after: String) {
  highRiskScored(after: $after) { cursor prediction { id applicantId probability band } }
}`

/** An error that the gateway answered: its code, and whether the same call may succeed later. */
export class Refused extends Error {
  constructor({ message, extensions = {} }) {
    super(
      `${extensions.code ?? 'ERROR'}: ${message}${(extensions.problems ?? []).map(problem => ` ${problem.message}`).join('')}`,
    )
    this.isRetryable = extensions.retryable === true
  }
}

/** @returns {Promise<{ id: string, applicantId: string, probability: number, band: string, highRisk: boolean }>} */
export async function predictRisk({ url, scorer }, input, signal) {
  const data = await post(url, scorer, { operationName: 'DemoPredictRisk', query: PREDICT_RISK, variables: { input } }, signal)
  return data.predictRisk.prediction
}

/** The present position of the feed; later alerts come after it. */
export async function alertCursor({ url, monitor }, signal) {
  return (await post(url, monitor, { operationName: 'DemoAlertCursor', query: ALERT_CURSOR }, signal)).alertCursor
}

/**
 * Follows the alerts after a cursor over one connection, until it breaks or `signal` aborts. The caller must connect again with the
 * cursor of the last alert, because the client's own retry would begin from the first cursor again.
 */
export async function* alertsAfter({ url, monitor }, after, signal) {
  const client = createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${monitor}` },
    retryAttempts: 0,
  })
  const alerts = client.iterate({ operationName: 'DemoAlerts', query: HIGH_RISK_SCORED, variables: { after } })
  const end = () => void client.dispose()
  signal.addEventListener('abort', end)
  try {
    for await (const { data, errors } of alerts) {
      if (errors) throw new Refused(errors[0])
      yield data.highRiskScored
    }
  } catch (error) {
    if (Array.isArray(error)) throw new Refused(error[0])
    throw error instanceof Error ? error : new Error(error?.reason || 'the connection broke')
  } finally {
    signal.removeEventListener('abort', end)
    await client.dispose()
  }
}

async function post(url, token, body, signal) {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
  })
  const { data, errors } = await response.json()
  if (errors) throw new Refused(errors[0])
  return data
}
