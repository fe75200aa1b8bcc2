import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadContracts } from '../../src/releases/files/modelFolders.js'
import type { RestRoute } from '../../src/server/rest/restRoute.js'
import { restRoutes } from '../../src/server/rest/restRoutes.js'
import { LOW_RISK } from '../support/applicants.js'
import { signToken, startGateway, type TestGateway } from '../support/gateway.js'
import type { RawAnswer } from '../support/httpExchange.js'
import { prepareReleases, RELEASE_BODIES } from '../support/releases.js'
import { jsonOf, sendRest } from '../support/restClient.js'
import { CALLERS, isAllowed } from './support/expectations.js'

const SUBJECT = 'shop'
const OTHER_TENANT = 'other-bank'
const DESK = 'https://desk.example'

let gateway: TestGateway
let routes: readonly RestRoute[]
/** A prediction of the subject, and one of another principal of its tenant. */
let [own, others]: { id: string; createdAt: string }[] = []
beforeAll(async () => {
  gateway = await startGateway({
    RISKGATE_RATE_LIMIT_PRINCIPAL: '0',
    RISKGATE_RATE_LIMIT_TENANT: '0',
    RISKGATE_CORS_ORIGINS: DESK,
  })
  routes = restRoutes(await loadContracts('models'))
  await prepareReleases(gateway.database.url)
  own = await predict(SUBJECT, 'shared')
  others = await predict('another-shop', 'shared')
})
afterAll(() => gateway[Symbol.asyncDispose]())

const application = (applicantId: string) => ({ applicantId, model: 'consumer-credit', features: LOW_RISK })

async function predict(subject: string, applicantId: string): Promise<{ id: string; createdAt: string }> {
  const authorization = `Bearer ${await signToken({ roles: ['SCORER'], subject })}`
  const answer = await sendRest(gateway, '/predict', {
    body: JSON.stringify(application(applicantId)),
    headers: { authorization },
  })
  expect(answer.status).toBe(200)
  return jsonOf(answer)
}

/** Calls a route as its documentation says, for this prediction. */
function call(
  { operationId, method, path }: RestRoute,
  token: string | undefined,
  { id, createdAt }: { id: string; createdAt: string },
): Promise<RawAnswer> {
  const bodies: Record<string, unknown> = {
    predict: application('called'),
    predictBatch: { items: [application('called')] },
    recordOutcome: { defaulted: false, observedAt: createdAt },
    ...RELEASE_BODIES,
  }
  const values: Record<string, string> = { id, change: id, name: 'consumer-credit', version: '2' }
  const address = path.replace('/api', '').replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '')
  return sendRest(gateway, address, {
    method,
    ...(bodies[operationId] !== undefined && { body: JSON.stringify(bodies[operationId]) }),
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  })
}

/** The fields of the API contract that each route needs: the table "who sees what" decides about them. */
const NEEDS: Readonly<Record<string, string>> = {
  predict: 'Mutation.predictRisk',
  predictBatch: 'Mutation.predictRiskBatch',
  listPredictions: 'Query.predictions',
  getPrediction: 'Query.prediction',
  recordOutcome: 'Mutation.recordOutcome',
  listModels: 'Query.models',
  getModel: 'Query.model',
  getAdmissionReport: 'ModelVersion.report',
  promoteModelVersion: 'Mutation.promoteModelVersion',
  rollbackModel: 'Mutation.rollbackModel',
  setTrafficSplit: 'Mutation.setTrafficSplit',
  retireModelVersion: 'Mutation.retireModelVersion',
  approveReleaseChange: 'Mutation.approveReleaseChange',
  refuseReleaseChange: 'Mutation.refuseReleaseChange',
}
/** They are called with an id that no proposal has. */
const NOTHING_THERE = ['approveReleaseChange', 'refuseReleaseChange']

describe('the matrix of roles over REST', () => {
  it('knows what every route needs', () => {
    expect(routes.map(({ operationId }) => operationId).sort()).toEqual(Object.keys(NEEDS).sort())
  })

  it.each(CALLERS.map(caller => [caller.name, caller] as const))('lets in, and keeps out: %s', async (_name, caller) => {
    const token = await signToken({ roles: caller.roles, subject: SUBJECT })
    for (const route of routes) {
      const answer = await call(route, token, own as { id: string; createdAt: string })
      const allowed = isAllowed(NEEDS[route.operationId] as string, caller)
      const granted = NOTHING_THERE.includes(route.operationId) ? 404 : 200
      const what = [route.operationId, answer.status, allowed ? undefined : jsonOf(answer).code]
      expect(what).toEqual([route.operationId, allowed ? granted : 403, allowed ? undefined : 'FORBIDDEN'])
      if (!allowed) expect(answer.text).not.toContain(own?.id)
    }
  })

  it('keeps out callers without a credential, with a wrong one, and with an expired one', async () => {
    const expired = await signToken({ roles: ['ADMIN'] }, -60)
    for (const token of [undefined, 'x.y.z', expired]) {
      for (const route of routes) {
        const answer = await call(route, token, own as { id: string; createdAt: string })
        expect([route.operationId, answer.status, jsonOf(answer).code]).toEqual([route.operationId, 401, 'UNAUTHENTICATED'])
      }
    }
  })

  it('shows a SCORER only its own predictions', async () => {
    const token = await signToken({ roles: ['SCORER'], subject: SUBJECT })
    const headers = { authorization: `Bearer ${token}` }
    const { predictions } = jsonOf<{ predictions: { requestedBy: string }[] }>(
      await sendRest(gateway, '/predictions?applicantId=shared', { headers }),
    )
    expect(predictions.map(({ requestedBy }) => requestedBy)).toEqual([SUBJECT])
    for (const route of routes.filter(({ path }) => path.includes('{id}'))) {
      const answer = await call(route, token, others as { id: string; createdAt: string })
      expect([route.operationId, answer.status, jsonOf(answer).code]).toEqual([route.operationId, 404, 'NOT_FOUND'])
    }
  })
})

describe('another tenant over REST', () => {
  const VOLATILE = /"requestId":"[^"]+"/
  const NEVER = { id: '01890000-0000-7000-8000-000000000000', createdAt: '2026-01-01T00:00:00.000Z' }

  it('gets for our ids the bytes that it gets for ids that never existed', async () => {
    const token = await signToken({ roles: ['ADMIN'], subject: SUBJECT, tenant: OTHER_TENANT })
    for (const route of routes.filter(({ path }) => path.includes('{id}'))) {
      const [ours, never] = [await call(route, token, own as { id: string; createdAt: string }), await call(route, token, NEVER)]
      expect(ours.status).toBe(404)
      expect([ours.status, ours.text.replace(VOLATILE, '')]).toEqual([never.status, never.text.replace(VOLATILE, '')])
    }
  })

  it('finds nothing of ours in its list, by any filter', async () => {
    const headers = { authorization: `Bearer ${await signToken({ roles: ['ADMIN'], subject: SUBJECT, tenant: OTHER_TENANT })}` }
    for (const search of ['', '?applicantId=shared', '?model=consumer-credit', '?hasOutcome=false', '?order=PROBABILITY_DESC']) {
      const answer = await sendRest(gateway, `/predictions${search}`, { headers })
      expect(jsonOf(answer)).toEqual({ predictions: [], nextCursor: null })
    }
  })

  it('may use our idempotency key for a prediction of its own', async () => {
    const send = async (tenant: string) => {
      const authorization = `Bearer ${await signToken({ roles: ['SCORER'], subject: SUBJECT, tenant })}`
      const headers = { authorization, 'idempotency-key': 'same-key' }
      return jsonOf<{ id: string; replayed: boolean }>(
        await sendRest(gateway, '/predict', { body: JSON.stringify(application('x')), headers }),
      )
    }
    const [ours, theirs] = [await send('default'), await send(OTHER_TENANT)]
    expect(theirs.replayed).toBe(false)
    expect(theirs.id).not.toBe(ours.id)
  })
})

it('reads over REST are in the audit, as those over GraphQL are', async () => {
  const authorization = `Bearer ${await signToken({ roles: ['ADMIN'], subject: 'auditor' })}`
  const read = async () => {
    const rows = await gateway.database.sql<{ action: string }[]>`select action from audit_entries where principal = 'auditor'`
    return rows.map(({ action }) => action)
  }
  expect(await read()).toEqual([])
  await sendRest(gateway, `/predictions/${own?.id}`, { headers: { authorization } })
  await sendRest(gateway, '/predictions', { headers: { authorization } })
  expect((await read()).length).toBeGreaterThanOrEqual(2)
})

it('a page of an allowed origin may call it, and read its tags and limits; no other page may', async () => {
  const authorization = `Bearer ${await signToken({ roles: ['ADMIN'] })}`
  for (const [origin, allowed] of [
    [DESK, DESK],
    ['https://evil.example', null],
  ] as const) {
    const preflight = await sendRest(gateway, '/predict', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'idempotency-key' },
    })
    const answer = await sendRest(gateway, '/models', { headers: { origin, authorization } })
    expect(preflight.headers.get('access-control-allow-origin')).toBe(allowed)
    expect(answer.headers.get('access-control-allow-origin')).toBe(allowed)
    expect(answer.headers.get('access-control-expose-headers')?.includes('etag') ?? null).toBe(allowed && true)
  }
})

describe('limits over REST', () => {
  it('charges a batch its rows, a wrong request one point, and refuses with Retry-After', async () => {
    const limited = await startGateway({ RISKGATE_RATE_LIMIT_PRINCIPAL: '10' }, gateway.database)
    try {
      const headers = { authorization: `Bearer ${await signToken({ roles: ['SCORER'], subject: 'limited' })}` }
      const remaining = (answer: RawAnswer) => answer.headers.get('ratelimit-remaining')
      const batch = JSON.stringify({ items: [application('a'), application('b'), application('c')] })
      expect(remaining(await sendRest(limited, '/predict/batch', { body: batch, headers }))).toBe('7')
      for (const [i, body] of ['{', '{}', '{"x":1}'].entries()) {
        const answer = await sendRest(limited, '/predict', { body, headers })
        expect([answer.status, remaining(answer)]).toEqual([400, String(6 - i)])
      }
      const unstorable = await sendRest(limited, '/predictions/%00', { headers })
      expect([unstorable.status, remaining(unstorable)]).toEqual([400, '3'])
      for (let i = 0; i < 3; i++) expect((await sendRest(limited, '/predictions', { headers })).status).toBe(200)
      const refused = await sendRest(limited, '/predictions', { headers })
      expect([refused.status, jsonOf(refused).code, jsonOf(refused).retryable]).toEqual([429, 'RATE_LIMITED', true])
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    } finally {
      await limited[Symbol.asyncDispose]()
    }
  })
})
