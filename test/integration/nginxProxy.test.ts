import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { application, HIGH_RISK } from '../support/applicants.js'
import { makePair, type TestPair } from '../support/certificates.js'
import { testFolder } from '../support/folder.js'
import { signToken, startGateway, type TestGateway } from '../support/gateway.js'
import { NGINX, NginxServer } from '../support/nginxServer.js'
import { freePort } from '../support/redis.js'
import { SecureClient } from '../support/secureClient.js'

const folder = testFolder('nginx', 0o755)
const GRAPHQL_SCORE = 'mutation ($input: PredictRiskInput!) { predictRisk(input: $input) { prediction { id } } }'

let pair: TestPair
let gateway: TestGateway
let runs = 0

describe.skipIf(!NGINX)('nginx in front of a gateway', () => {
  beforeAll(async () => {
    pair = await makePair({ name: 'riskgate' })
    const [certFile, keyFile] = [join(folder, 'gateway.crt'), join(folder, 'gateway.key')]
    writeFileSync(certFile, pair.cert)
    writeFileSync(keyFile, pair.key, { mode: 0o600 })
    gateway = await startGateway({
      RISKGATE_TLS_CERT_FILE: certFile,
      RISKGATE_TLS_KEY_FILE: keyFile,
      RISKGATE_TRUSTED_PROXIES: '127.0.0.1',
      RISKGATE_RATE_LIMIT_ADDRESS: '3',
    })
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  /** nginx tries the gateways in this order. */
  function startNginx(...before: string[]): Promise<NginxServer> {
    return startNginxOf([...before, new URL(gateway.url).host])
  }

  function startNginxOf(gateways: string[]): Promise<NginxServer> {
    const directory = join(folder, String(++runs))
    mkdirSync(directory)
    return NginxServer.start({ gateways, gatewayCertificate: pair.cert, directory })
  }

  async function clientOf({ url, ca }: NginxServer): Promise<SecureClient> {
    return new SecureClient(url, ca, await signToken({ roles: ['SCORER', 'MONITOR', 'ANALYST'] }))
  }

  async function stored(applicantId: string): Promise<number> {
    const rows = await gateway.database.sql`select 1 from predictions where applicant_id = ${applicantId}`
    return rows.length
  }

  it('speaks HTTP/2, sends each security header once, hides the metrics, and lets the gateway refuse a large body', async () => {
    await using nginx = await startNginx()
    const session = connect(nginx.url, { ca: nginx.ca })
    await once(session, 'connect')
    expect(session.alpnProtocol).toBe('h2')
    session.close()

    const client = await clientOf(nginx)
    const models = await client.call('/api/models')
    expect(models.status).toBe(200)
    expect(models.headerNames.filter((name, i, all) => all.indexOf(name) !== i)).toEqual([])
    expect(models.headers).toMatchObject({ 'strict-transport-security': 'max-age=31536000', 'x-content-type-options': 'nosniff' })
    const metrics = await client.call('/metrics')
    expect(metrics).toMatchObject({ status: 404, headers: { 'strict-transport-security': 'max-age=31536000' } })
    // Often enough: the gateway answers while the body still comes, and a connection that it closed would break now and then.
    for (let i = 0; i < 40; i++) {
      const { status, text } = await client.call('/api/predict', JSON.stringify({ applicantId: 'x'.repeat(1_500_000) }))
      expect([status, codeOf(text)]).toEqual([413, 'PAYLOAD_TOO_LARGE'])
    }
    // nginx itself refuses more than 2 MB.
    for (const path of ['/api/predict', '/api/predict/batch', '/api/models', '/graphql', '/graphql/stream']) {
      const { status, text } = await client.call(path, 'x'.repeat(2_200_000))
      expect([path, status, codeOf(text)]).toEqual([path, 413, 'PAYLOAD_TOO_LARGE'])
    }
    client.close()
    expect(nginx.log().find(({ path }) => path === '/api/models')).toMatchObject({
      client: '127.0.0.1',
      method: 'GET',
      status: 200,
      gateway: new URL(gateway.url).host,
      requestId: models.headers['x-request-id'],
    })
  })

  it('names the client to the gateway, and not the address that the client made up', async () => {
    await using nginx = await startNginx()
    const client = new SecureClient(nginx.url, nginx.ca)
    const statuses: number[] = []
    // Bad credentials are counted by address.
    for (let i = 0; i < 5; i++) {
      const headers = { authorization: 'Bearer bad', 'x-forwarded-for': `203.0.113.${i}` }
      statuses.push((await client.call('/graphql', '{"query":"{ alertCursor }"}', headers)).status)
    }
    client.close()
    expect(statuses).toEqual([401, 401, 401, 429, 429])
  })

  const graphql = (applicantId: string) =>
    JSON.stringify({ query: GRAPHQL_SCORE, variables: { input: application(applicantId, HIGH_RISK) } })
  const rest = (applicantId: string) => JSON.stringify({ applicantId, model: 'consumer-credit', features: HIGH_RISK })
  const KEY = { 'idempotency-key': 'key-of-a-score' }
  const batch = (applicantId: string) => JSON.stringify({ items: [JSON.parse(rest(applicantId))] })

  it.each([
    ['a score over GraphQL', '/graphql', graphql('died-graphql'), {}, 503, 0],
    ['a score over REST', '/api/predict', rest('died-rest'), {}, 503, 0],
    ['a score over REST with a key', '/api/predict', rest('died-keyed'), KEY, 200, 1],
    ['a batch with a key', '/api/predict/batch', batch('died-batch'), { 'idempotency-key': 'key-of-a-batch' }, 200, 1],
    ['a read', '/api/models', undefined, {}, 200, 0],
  ])(
    'sends %s to another gateway after one has died with it, only if it may be done twice',
    async (_what, path, body, headers, status, rows) => {
      await using dying = await startDying(pair)
      await using nginx = await startNginx(dying.host)
      const client = await clientOf(nginx)
      const answer = await client.call(path, body, headers)
      expect(answer.status, answer.text).toBe(status)
      expect(dying.requests).toBe(1)
      if (status === 503) {
        expect(codeOf(answer.text)).toBe('OUTCOME_UNKNOWN')
        expect(answer.headers).toMatchObject({ 'retry-after': '1', 'strict-transport-security': 'max-age=31536000' })
      }
      const applicantId = /died-\w+/.exec(body ?? '')?.[0] ?? ''
      expect(await stored(applicantId)).toBe(rows)
      // The gateway that died is out: nobody asks it for the next ones.
      for (let i = 0; i < 4; i++) expect((await client.call('/api/models')).status).toBe(200)
      expect(dying.requests).toBe(1)
      client.close()
    },
  )

  it('answers in the form of each door when no gateway can be reached', async () => {
    await using nginx = await startNginxOf([`127.0.0.1:${await freePort()}`])
    const client = await clientOf(nginx)
    for (const [path, body] of [
      ['/graphql', graphql('nowhere')],
      ['/graphql/stream', '{"query":"subscription { highRiskScored { id } }"}'],
      ['/api/predict', rest('nowhere')],
    ] as const) {
      const { status, text, headers } = await client.call(path, body)
      expect([path, status, codeOf(text), headers['retry-after']]).toEqual([path, 503, 'OUTCOME_UNKNOWN', '1'])
      expect('errors' in JSON.parse(text)).toBe(path.startsWith('/graphql'))
    }
    client.close()
  })

  it('sends every request to another gateway when one cannot be reached, or has another certificate', async () => {
    await using stranger = await startDying(await makePair({ name: 'riskgate' }))
    for (const [i, host] of [`127.0.0.1:${await freePort()}`, stranger.host].entries()) {
      await using nginx = await startNginx(host)
      const client = await clientOf(nginx)
      expect((await client.call('/graphql', graphql(`elsewhere-${i}`))).status).toBe(200)
      client.close()
      expect(await stored(`elsewhere-${i}`)).toBe(1)
      expect(nginx.log().at(-1)?.gateway).toBe(`${host}, ${new URL(gateway.url).host}`)
    }
    expect(stranger.requests).toBe(0)
  })
})

/** The code of an error over REST, or over GraphQL. */
function codeOf(text: string): string | undefined {
  const { code, errors } = JSON.parse(text) as { code?: string; errors?: { extensions: { code: string } }[] }
  return code ?? errors?.[0]?.extensions.code
}

/** A gateway that takes a request and dies before it answers. */
async function startDying({ cert, key }: TestPair) {
  let requests = 0
  const server = createServer({ cert, key }, socket => {
    socket.on('error', () => {})
    socket.once('data', () => {
      requests++
      socket.destroy()
    })
  }).listen(0, '127.0.0.1')
  server.on('tlsClientError', () => {})
  await once(server, 'listening')
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get requests() {
      return requests
    },
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, 'close')
    },
  }
}
