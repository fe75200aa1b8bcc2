import { createHmac, randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { type MlflowCall, type MlflowStandIn, send, startMlflow } from './mlflowServer.js'

const ARTIFACTS = 'mlflow-artifacts:/1/models/m-c4aa6048908748e1b8d4f03a0ecc6716/artifacts'

export interface MlflowRegistry extends AsyncDisposable {
  readonly url: string
  /** While it is away it answers 503. */
  isAway: boolean
  /** The tags of each version. */
  readonly tags: Record<string, Record<string, string>>
  /** The alias names this version from now on. */
  point(version: string): void
}

/** A registry with one model, whose versions have these files, and one alias. */
export async function startRegistry(
  name: string,
  versions: Readonly<Record<string, MlflowStandIn['files']>>,
): Promise<MlflowRegistry> {
  const standIn = await startMlflow()
  const tags: MlflowRegistry['tags'] = Object.fromEntries(Object.keys(versions).map(version => [version, {}]))
  let named = ''
  const registry: MlflowRegistry = {
    url: standIn.url.href,
    isAway: false,
    tags,
    point(version) {
      named = version
      standIn.files = versions[version] ?? {}
    },
    [Symbol.asyncDispose]: () => standIn[Symbol.asyncDispose](),
  }
  const shown = (version: string) => ({
    name,
    version,
    source: `models:/m-${version}`,
    creation_timestamp: 1_796_006_232_960,
    run_id: `run-${version}`,
    status: 'READY',
    tags: Object.entries(tags[version] ?? {}).map(([key, value]) => ({ key, value })),
  })
  const answer = ({ method, address, body }: MlflowCall, response: ServerResponse): boolean => {
    if (registry.isAway) return send(response, 503, '')
    const ok = (content: object) => send(response, 200, JSON.stringify(content))
    if (method === 'POST') {
      const { version, key, value } = JSON.parse(body)
      tags[version] = { ...tags[version], [key]: value }
      return ok({})
    }
    const asked = new URLSearchParams(address.split('?')[1]).get('version') ?? ''
    if (address.includes('/registered-models/alias')) return ok({ model_version: shown(named) })
    if (address.includes('/model-versions/get?')) return ok({ model_version: shown(asked) })
    if (address.includes('/model-versions/search')) return ok({ model_versions: Object.keys(versions).map(shown) })
    return address.includes('/get-download-uri') && ok({ artifact_uri: ARTIFACTS })
  }
  standIn.instead = answer
  return registry
}

/** Tells a gateway that the alias moved, as MLflow does. Returns the status of the answer. */
export async function deliverAlias(gateway: string, name: string, secret: string): Promise<number> {
  const data = { name, alias: 'champion', version: '1' }
  const event = { entity: 'model_version_alias', action: 'created', timestamp: new Date().toISOString(), data }
  const [id, timestamp, body] = [randomUUID(), String(Math.floor(Date.now() / 1_000)), JSON.stringify(event)]
  const mac = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')
  const headers = {
    'content-type': 'application/json',
    'x-mlflow-delivery-id': id,
    'x-mlflow-timestamp': timestamp,
    'x-mlflow-signature': `v1,${mac}`,
  }
  const response = await fetch(`${gateway}/mlflow/webhook`, { method: 'POST', headers, body })
  await response.body?.cancel()
  return response.status
}
