import { application } from './applicants.js'
import type { TestGateway } from './gateway.js'
import { until } from './process.js'

interface Scored {
  readonly predictRisk: { readonly prediction: { readonly version: string } }
}

/** The version that answers on a gateway. */
export async function versionOf(gateway: TestGateway): Promise<string | undefined> {
  const client = await gateway.as({ roles: ['SCORER'] })
  const query = 'mutation ($input: PredictRiskInput!) { predictRisk(input: $input) { prediction { version } } }'
  const { data } = await client.send<Scored>({ query, variables: { input: application('a-1') } })
  return data?.predictRisk.prediction.version
}

/** Ends when a version answers on all gateways. */
export function allServe(gateways: readonly TestGateway[], version: string): Promise<void> {
  return until(async () => (await Promise.all(gateways.map(versionOf))).every(serving => serving === version), 30_000)
}
