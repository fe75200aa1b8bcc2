import { createHash } from 'node:crypto'
import Fastify, { type FastifyInstance } from 'fastify'
import {
  type DocumentNode,
  defaultFieldResolver,
  execute,
  type GraphQLFieldResolver,
  type GraphQLSchema,
  isObjectType,
  type OperationDefinitionNode,
  parse,
  specifiedRules,
  validate,
} from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal, Role } from '../../../../src/auth/principal.js'
import { AppError } from '../../../../src/errors.js'
import { publicErrors } from '../../../../src/server/formatError.js'
import { serveGraphql } from '../../../../src/server/graphql/graphqlRoute.js'
import { ADDED_RULES, MAX_TOKENS, VALIDATION_OPTIONS } from '../../../../src/server/operations/documentRules.js'
import { OperationGate, UNREAD_POINTS } from '../../../../src/server/operations/operationGate.js'
import { failureStatus } from '../../../../src/server/operations/responseStatus.js'
import { coercedVariables } from '../../../../src/server/operations/variableValues.js'
import { randomFrom } from '../../support/domain.js'
import { createGatewaySchema, type GatewaySchema } from '../../support/gatewaySchema.js'
import { type RandomRequest, randomRequest } from '../../support/randomRequests.js'

const DOCUMENTS = Number(process.env.RISKGATE_FUZZ_DOCUMENTS ?? 300)
const SEED = Number(process.env.RISKGATE_FUZZ_SEED ?? 1)
const ROLES: readonly Role[] = ['SCORER', 'MONITOR', 'ANALYST', 'MODEL_MANAGER', 'ADMIN']
/** The first runs through Apollo, the second is prepared, and the others run from their text. */
const SENDS = 4
const HIDDEN = 'a message that callers must not see'

let gateway: GatewaySchema
let server: FastifyInstance
let stop: () => Promise<void>
let role: Role
let faults: number | undefined
let points = 0

const gateOf = () =>
  new OperationGate({
    schema: gateway.schema,
    development: false,
    chargePoints: (_principal: Principal, charged: number) => {
      points += charged
      return undefined
    },
  })

beforeAll(async () => {
  gateway = await createGatewaySchema()
  insertFaults(gateway.schema)
  server = Fastify()
  stop = await serveGraphql(server, {
    path: '/graphql',
    schema: gateway.schema,
    gate: gateOf(),
    auth: { authenticate: async () => gateway.contextOf(role).principal, watch: () => () => {} },
    addresses: { identify: async () => gateway.contextOf(role).principal },
    report: () => {},
    observe: () => {},
    lookedUp: { document: () => {}, prepared: () => {} },
    contextOf: () => gateway.contextOf(role),
  } as unknown as Parameters<typeof serveGraphql>[1])
  await server.ready()
})
afterAll(async () => {
  await stop()
  await server.close()
})

/** Lets fields fail, be null or come late, as `faults` and the place of the field in the answer decide. */
function insertFaults(schema: GraphQLSchema): void {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue
    for (const field of Object.values(type.getFields())) {
      // The others keep the default resolver.
      if (!field.resolve && numberOf(`${type.name}.${field.name}`) % 2 === 0) continue
      field.resolve = faulty(field.resolve ?? defaultFieldResolver)
    }
  }
}

function faulty(resolve: GraphQLFieldResolver<unknown, unknown>): GraphQLFieldResolver<unknown, unknown> {
  return (source, args, context, info) => {
    const places: (string | number)[] = []
    for (let at: typeof info.path | undefined = info.path; at; at = at.prev) places.push(at.key)
    const fault = faults === undefined ? -1 : numberOf(`${faults} ${places.join('/')}`) % 30
    // graphql-js leaves rejected promises unhandled when an item of a list fails at once beside items that come late.
    const isInList = places.some(place => typeof place === 'number')
    if (fault < 4 && fault >= 0 && isInList)
      return ticks(fault).then(() => Promise.reject(new AppError('NOT_FOUND', 'It is not here.')))
    if (fault === 0) throw new AppError('SERVICE_UNAVAILABLE', 'Try again later.')
    if (fault === 1) throw new Error(HIDDEN)
    if (fault === 2) return null
    if (fault === 3) return new AppError('NOT_FOUND', 'It is not here.')
    if (fault === 4) return Promise.reject(new AppError('OUTCOME_UNKNOWN', 'Send it again.'))
    if (fault === 5) return ticks(3).then(() => Promise.reject(new AppError('BAD_CURSOR', 'Begin again.')))
    if (fault === 6) return new Promise((_, reject) => setImmediate(reject, new Error(HIDDEN)))
    if (fault < 12 && fault > 6) return ticks(fault - 6).then(() => resolve(source, args, context, info))
    return resolve(source, args, context, info)
  }
}

async function ticks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await undefined
}

function numberOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE()
}

interface Observed {
  readonly status: number
  readonly body: string
  /** What reached the stores, audit entries included, in order. */
  readonly asked: string
  readonly points: number
}

async function observed(run: () => Promise<{ status: number; body: string }>): Promise<Observed> {
  gateway.asked.length = 0
  points = 0
  const { status, body } = await run()
  // Other fields run on after an error has ended the answer.
  for (let i = 0; i < 5; i++) await new Promise(setImmediate)
  return { status, body: withoutIds(body), asked: withoutIds(JSON.stringify(gateway.asked)), points }
}

/** Ids and times of what a run has made, ids of errors, and alerts differ in every run. */
function withoutIds(text: string): string {
  const seen: string[] = []
  const numbered = (id: string) => {
    if (!seen.includes(id)) seen.push(id)
    return `id${seen.indexOf(id)}`
  }
  const year = new Date().getUTCFullYear()
  const isMade = (time: string) => time.startsWith(`"${year}`) || time.startsWith('"2023')
  return text
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, id =>
      id.startsWith('01900000') ? id : numbered(id),
    )
    .replace(/"0000\d{4}"/g, '"alert"')
    .replace(/(riskgate|whsec)_[\w+/=-]{20,}/g, '$1_key')
    .replace(/"\d{4}-[^"]*\.\d{3}Z"/g, time => (isMade(time) && !time.includes('T00:00:00') ? '"now"' : time))
}

function send({ query, variables }: RandomRequest): Promise<{ status: number; body: string }> {
  return server
    .inject({ method: 'POST', url: '/graphql', headers: { 'content-type': 'application/json' }, payload: { query, variables } })
    .then(({ statusCode, body }) => ({ status: statusCode, body }))
}

/** The same through graphql-js alone; undefined for a request that is refused before it is executed. */
function reference({ query, variables }: RandomRequest): (() => Promise<{ status: number; body: string }>) | undefined {
  const document = parsed(query)
  if (!document) return undefined
  if (validate(gateway.schema, document, [...specifiedRules, ...ADDED_RULES], VALIDATION_OPTIONS).length > 0) return undefined
  const operation = document.definitions[0] as OperationDefinitionNode
  const result = coercedVariables(gateway.schema, operation, variables)
  if ('errors' in result) return undefined
  return async () => {
    const gate = gateOf()
    const context = Object.assign(gateway.contextOf(role), { paidPoints: UNREAD_POINTS })
    points += UNREAD_POINTS
    try {
      await gate.enter(gate.measure(document, operation), context, result.coerced)
    } catch (error) {
      const { code, message } = error as AppError
      return {
        status: code === 'FORBIDDEN' ? 403 : 400,
        body: `${JSON.stringify({ errors: [{ message, extensions: { code } }] })}\n`,
      }
    }
    return answered(document, context, variables)
  }
}

function parsed(query: string): DocumentNode | undefined {
  try {
    return parse(query, { maxTokens: MAX_TOKENS })
  } catch {
    return undefined
  }
}

async function answered(document: DocumentNode, context: object, variables: Record<string, unknown>) {
  const { data, errors } = await execute({
    schema: gateway.schema,
    document,
    contextValue: context,
    variableValues: variables,
  })
  const shown = errors && publicErrors(errors, () => {})
  const status = failureStatus(data as Record<string, unknown>, shown) ?? 200
  return { status, body: `${JSON.stringify(shown ? { errors: shown, data } : { data })}\n` }
}

describe(`${DOCUMENTS} random requests from seed ${SEED}`, () => {
  it('are answered to the byte as by graphql-js, each time they are sent', { timeout: 20_000 + DOCUMENTS * 300 }, async () => {
    const counts = { executed: 0, refused: 0, withErrors: 0 }
    for (let number = 0; number < DOCUMENTS; number++) {
      const random = randomFrom(SEED * 1_000_003 + number)
      role = ROLES[Math.floor(random() * ROLES.length)] as Role
      faults = random() < 0.6 ? number : undefined
      const request = randomRequest(gateway.schema, random)
      const run = reference(request)
      const expected = run && (await observed(run))
      const answers: Observed[] = []
      for (let i = 0; i < SENDS; i++) answers.push(await observed(() => send(request)))
      const what = { number, role, ...request }
      for (const answer of answers) expect({ what, ...answer }).toEqual({ what, ...(expected ?? answers[0]) })
      if (expected) counts.executed++
      else counts.refused++
      if (expected?.body.startsWith('{"errors"')) counts.withErrors++
      expect(answers[0]?.body).not.toContain(HIDDEN)
    }
    process.stdout.write(`${JSON.stringify(counts)}, seed ${SEED}\n`)
    expect(counts.executed).toBeGreaterThan(DOCUMENTS / 2)
    expect(counts.withErrors).toBeGreaterThan(DOCUMENTS / 10)
  })
})
