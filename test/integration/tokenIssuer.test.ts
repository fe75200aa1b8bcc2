import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { GraphqlClient } from '../support/client.js'
import { createTestDatabase } from '../support/database.js'
import { spawnGateway } from '../support/gatewayProcess.js'
import { ViewerDocument } from '../support/generated/operations.js'
import { AUDIENCE, claimsOf, ISSUER, makeKey, startIssuer, tokenOf } from '../support/issuer.js'
import { until } from '../support/process.js'
import { newStateDirectory } from '../support/stateDirectory.js'

const KEY = makeKey('ES256', 'one')
const statusOf = async (url: string) => {
  const token = tokenOf(KEY, claimsOf({ jti: `${performance.now()}` }))
  return (await new GraphqlClient(url, token).request(ViewerDocument, {})).status
}

describe('a gateway process whose tokens an issuer signs', () => {
  it('logs an outage and its end once, creates no signing key, and stops even while the issuer hangs', async () => {
    await using database = await createTestDatabase()
    await using issuer = await startIssuer([KEY])
    issuer.answer = (_request, response) => void response.writeHead(500).end('canary-of-the-issuer')
    await using state = newStateDirectory()
    await using gateway = await spawnGateway({
      DATABASE_URL: database.url,
      RISKGATE_STATE_DIR: state.path,
      RISKGATE_JWKS_URL: issuer.url,
      RISKGATE_JWT_ISSUER: ISSUER,
      RISKGATE_JWT_AUDIENCE: AUDIENCE,
    })
    expect(await statusOf(gateway.url)).toBe(503)
    expect(await statusOf(gateway.url)).toBe(503)
    issuer.answer = undefined
    await until(async () => (await statusOf(gateway.url)) === 200)
    const logged = (message: RegExp) => gateway.log().filter(line => message.test(String(line.message)))
    await until(() => logged(/can be fetched again/).length === 1)
    expect(logged(/cannot be fetched/)).toEqual([
      expect.objectContaining({ 'log.level': 'warn', 'riskgate.reason': 'The issuer answered with status 500.' }),
    ])

    for (const file of ['signing.key', 'dev.json']) expect(existsSync(join(state.path, file))).toBe(false)

    issuer.answer = () => {}
    const asked = issuer.requests.length
    const unknown = tokenOf(makeKey('ES256', 'two'), claimsOf())
    const waiting = new GraphqlClient(gateway.url, unknown).request(ViewerDocument, {}).catch(() => undefined)
    await issuer.asked(asked + 1)
    const stoppedAt = performance.now()
    const { status, stdout } = await gateway.stop()
    expect(status).toBe(0)
    expect(performance.now() - stoppedAt).toBeLessThan(8_000)
    expect(stdout).not.toContain('canary-of-the-issuer')
    await waiting
  })
})
