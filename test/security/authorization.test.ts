import { isAbstractType } from 'graphql'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { PreparedOperations } from '../../src/server/graphql/preparedOperations.js'
import type { GraphqlClient } from '../support/client.js'
import type { RawAnswer } from '../support/httpExchange.js'
import { partOf } from '../support/longTests.js'
import { CALLERS, EXPECTATIONS, expectedPermissions, isAllowed, type MatrixCaller } from './support/expectations.js'
import { type Answer, judge } from './support/judgement.js'
import { type MatrixFixture, SUBJECT, startMatrixFixture } from './support/matrixFixture.js'
import { rowsOf } from './support/rowsOf.js'
import {
  askedAtEnd,
  coordinateOf,
  fieldsOf,
  type Operation,
  objectTypes,
  operationOf,
  type Path,
  pathsOf,
  type Way,
} from './support/selections.js'

const LISTENING = ['over a WebSocket', 'as server-sent events'] as const
const DIRECT: Way = { name: 'directly' }
const WAYS: readonly Way[] = [
  { name: 'under an alias', aliased: true },
  { name: 'in a named fragment', spread: 'named fragment' },
  { name: 'in a fragment of a fragment', spread: 'fragment in fragment' },
  { name: 'in an inline fragment', spread: 'inline fragment' },
  { name: 'included by a variable, arguments in variables', directive: '@include(if: $yes)', variables: true },
  { name: 'not skipped by a variable', directive: '@skip(if: $no)' },
  { name: 'skipped by a variable', directive: '@skip(if: $yes)', leftOut: true },
]
// A document may have 15 aliases.
const FIELDS_AT_ONCE = 12
// As many as a gateway reads for at once: more would wait.
const AT_ONCE = 4

let fixture: MatrixFixture
let paths: readonly Path[]
/** Every tried combination of caller, coordinate, way and path. */
const tried = new Set<string>()
beforeAll(async () => {
  fixture = await startMatrixFixture()
  paths = pathsOf(fixture.schema)
})
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
  process.stdout.write(`${tried.size} combinations of caller, coordinate, form of the query and path were tried\n`)
})

const clients = new Map<string, GraphqlClient>()
async function clientOf({ name, roles }: MatrixCaller): Promise<GraphqlClient> {
  const client = clients.get(name) ?? (await fixture.gateway.as({ roles, subject: SUBJECT }))
  clients.set(name, client)
  return client
}

const textOf = ({ steps }: Path) => steps.map(coordinateOf).join(' ')
const isFor = ({ steps }: Path, caller: MatrixCaller) => steps.every(step => isAllowed(coordinateOf(step), caller))
const overHttp = () => paths.filter(({ root }) => root.name !== 'Subscription')

/** The shortest path to a type that the caller may use, or the shortest of all if there is none. A query shows what was prepared for it. */
function pathTo(type: string, caller: MatrixCaller, among = overHttp()): Path | undefined {
  const isQuery = ({ root }: Path) => Number(root.name === 'Query')
  const leading = among.filter(({ end }) => end.name === type).sort((one, other) => isQuery(other) - isQuery(one))
  return leading.find(path => isFor(path, caller)) ?? leading[0]
}

/** The fields of every type, with the path on which this caller queries them. */
function everyType(caller: MatrixCaller): Asked[] {
  return objectTypes(fixture.schema).flatMap(({ name }) => {
    const path = pathTo(name, caller)
    return path ? partsOf(path).map(fields => [path, fields] as const) : []
  })
}

/** The fields at the end of a path, in parts. Root fields are single, because a refused one blanks the others. */
function partsOf({ end, steps }: Path) {
  const size = steps.length === 0 ? 1 : FIELDS_AT_ONCE
  const fields = fieldsOf(end)
  return Array.from({ length: Math.ceil(fields.length / size) }, (_, i) => fields.slice(i * size, (i + 1) * size))
}

async function sendTo(caller: MatrixCaller, { query, variables, asked }: Operation, method = 'POST'): Promise<RawAnswer> {
  for (const { field, type } of asked) if (type.name === 'Mutation') await fixture.prepare(field.name)
  const client = await clientOf(caller)
  if (method === 'GET') {
    const search = new URLSearchParams({ query, variables: JSON.stringify(variables) })
    return client.call({ headers: { 'apollo-require-preflight': 'true' } }, `?${search}`)
  }
  return client.call({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  })
}

/** The first message of a subscription: an event, or the errors that refuse it. */
async function firstOf(caller: MatrixCaller, { query, variables }: Operation, how: (typeof LISTENING)[number]): Promise<Answer> {
  const client = await clientOf(caller)
  const connection = how === 'over a WebSocket' ? client.sockets() : client.eventStreams()
  const events = connection.iterate({ query, variables })
  try {
    const { value } = await events.next()
    return value as Answer
  } catch (errors) {
    if (!Array.isArray(errors)) throw errors
    return { errors }
  } finally {
    await events.return?.()
    connection.dispose()
  }
}

type Asked = readonly [Path, Readonly<ReturnType<typeof fieldsOf>>]

/** Asks and checks. Mutations run one after the other, since some use up what was prepared for them; queries run several at once. */
async function askEach(all: readonly Asked[], ask: (path: Path, fields: Asked[1]) => Promise<void>): Promise<void> {
  const isMutation = ([{ root }]: Asked) => root.name === 'Mutation'
  for (const [path, fields] of all.filter(isMutation)) await ask(path, fields)
  const left = all.filter(asked => !isMutation(asked))
  const work = async () => {
    for (let next = left.shift(); next; next = left.shift()) await ask(...next)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
}

/** Compares an HTTP answer with the table. */
function check(caller: MatrixCaller, path: Path, way: Way, operation: Operation, { status, text }: RawAnswer): void {
  const answer = JSON.parse(text) as Answer
  const values = Object.values(answer.data ?? {}).filter(value => value !== null)
  const isEmpty = values.length === 0 && answer.errors !== undefined
  expect({ query: operation.query, status }).toEqual({ query: operation.query, status: isEmpty ? 403 : 200 })
  checkAnswer(caller, path, way, operation, answer)
}

function checkAnswer(caller: MatrixCaller, path: Path, way: Way, { asked, query }: Operation, answer: Answer): void {
  const { wrong, decided } = judge(answer, asked, caller, way.leftOut ? path.steps.length : -1)
  expect({ caller: caller.name, query, wrong }).toEqual({ caller: caller.name, query, wrong: [] })
  for (const coordinate of decided) tried.add([caller.name, coordinate, way.name, textOf(path)].join('|'))
}

const coordinates = () => objectTypes(fixture.schema).flatMap(type => fieldsOf(type).map(field => coordinateOf({ type, field })))
/** The coordinates that answers have decided so far for a caller, in one way. */
const decidedIn = (caller: MatrixCaller, way: string) =>
  new Set(
    [...tried]
      .map(line => line.split('|'))
      .flatMap(([name, coordinate, how]) => (name === caller.name && how === way ? [coordinate] : [])),
  )

describe('the matrix', () => {
  it('has an expectation for every coordinate of the schema, and for no other', () => {
    expect([...EXPECTATIONS.keys()].sort()).toEqual(coordinates().sort())
  })

  it('needs no inline fragments by type, because the schema has no interfaces or unions', () => {
    expect(Object.values(fixture.schema.getTypeMap()).filter(isAbstractType)).toEqual([])
  })

  it('covers every path of the schema, through lists and cycles', () => {
    const texts = paths.map(textOf)
    expect(new Set(texts.map(text => text.split(' ').at(-1))).size).toBeGreaterThan(50)
    expect(texts).toContain(
      'Query.predictions PredictionConnection.edges PredictionEdge.node Prediction.applicant Applicant.latestPrediction Prediction.modelVersion',
    )
    expect(texts).toContain(
      'Mutation.predictRiskBatch PredictRiskBatchPayload.results PredictRiskBatchResult.prediction Prediction.applicant Applicant.predictions',
    )
  })

  describe.each(CALLERS)('for $name', caller => {
    it('shows the permissions of its roles', async () => {
      const { data } = await (await clientOf(caller)).send({ query: '{ viewer { permissions } }' })
      const { viewer } = data as { viewer: { permissions: string[] } }
      expect(viewer.permissions.sort()).toEqual(expectedPermissions(caller))
    })

    it('decides correctly on each single coordinate', async () => {
      const each = everyType(caller).flatMap(([path, fields]) => fields.map(field => [path, [field]] as const))
      await askEach(each, async (path, fields) => {
        const operation = operationOf(path, askedAtEnd(path, fields), DIRECT, fixture.values, caller.name)
        check(caller, path, DIRECT, operation, await sendTo(caller, operation))
      })
      const refused = [...decidedIn(caller, DIRECT.name)].filter(coordinate => !isAllowed(coordinate as string, caller))
      if (caller.name !== 'ADMIN') expect(refused.length).toBeGreaterThan(5)
      const reached = decidedIn(caller, DIRECT.name)
      const missed = coordinates().filter(coordinate => !reached.has(coordinate) && !isOutOfReach(coordinate, caller))
      expect(missed).toEqual([])
    })

    const turn = CALLERS.indexOf(caller)
    it.each(partOf(WAYS, 3, turn))('decides the same $name', async way => {
      await askEach(everyType(caller), async (path, fields) => {
        const operation = operationOf(path, askedAtEnd(path, fields), way, fixture.values, caller.name)
        check(caller, path, way, operation, await sendTo(caller, operation))
      })
    })

    it.each([
      ['up to four', 1, 4, 2],
      ['five', 5, 5, 6],
      ['more', 6, Number.POSITIVE_INFINITY, 6],
    ])('decides the same on every path to a type: of %s steps', async (_many, least, most, step) => {
      const way = { name: 'on every path' }
      const below = partOf(
        overHttp().filter(({ steps }) => steps.length >= least && steps.length <= most),
        step,
        turn,
      )
      const each = below.flatMap(path => partsOf(path).map(fields => [path, fields] as const))
      await askEach(each, async (path, fields) => {
        const operation = operationOf(path, askedAtEnd(path, fields), way, fixture.values, caller.name)
        check(caller, path, way, operation, await sendTo(caller, operation))
      })
    })

    it('decides the same beside other root fields', async () => {
      const way = { name: 'beside others' }
      for (const path of overHttp().filter(({ steps }) => steps.length === 0)) {
        const fields = fieldsOf(path.root)
        for (const i of fields.keys()) {
          const three = [0, 1, 2].map(k => fields[(i + k * 4) % fields.length] as (typeof fields)[number])
          const operation = operationOf(path, askedAtEnd(path, three), way, fixture.values, caller.name)
          check(caller, path, way, operation, await sendTo(caller, operation))
        }
      }
    })

    it('decides the same for a document that any caller has sent before and that is prepared', async () => {
      const way = { name: 'prepared' }
      const find = vi.spyOn(PreparedOperations.prototype, 'find')
      let sent = 0
      await askEach(everyType(caller), async (path, fields) => {
        const operation = operationOf(path, askedAtEnd(path, fields), way, fixture.values, 'of all callers')
        for (let i = 0; i < 3; i++, sent++) check(caller, path, way, operation, await sendTo(caller, operation))
      })
      const answeredByPrepared = find.mock.results.filter(({ value }) => value !== undefined).length
      find.mockRestore()
      expect(answeredByPrepared).toBeGreaterThanOrEqual(sent / 3)
    })

    it('decides the same by GET, which cannot run mutations', async () => {
      const way = { name: 'by GET' }
      await askEach(everyType(caller), async (path, fields) => {
        const operation = operationOf(path, askedAtEnd(path, fields), way, fixture.values, caller.name)
        const answer = await sendTo(caller, operation, 'GET')
        if (path.root.name === 'Mutation') {
          expect([400, 405]).toContain(answer.status)
          expect(JSON.parse(answer.text)).toEqual({ errors: [expect.anything()] })
        } else check(caller, path, way, operation, answer)
      })
    })

    it('refuses several operations in one request', async () => {
      const [path, fields] = everyType(caller)[0] as Asked
      const { query, variables } = operationOf(path, askedAtEnd(path, fields), DIRECT, fixture.values, caller.name)
      const { status, data, errors } = await (await clientOf(caller)).send([
        { query, variables },
        { query, variables },
      ])
      expect({ status, data, codes: errors?.map(({ extensions }) => extensions.code) }).toEqual({
        status: 400,
        codes: ['BAD_REQUEST'],
      })
    })

    it.each(LISTENING)('decides the same on every path of a subscription %s', async how => {
      const subscriptions = paths.filter(({ root }) => root.name === 'Subscription')
      for (const path of partOf(subscriptions, 2, turn)) {
        for (const fields of partsOf(path)) {
          const operation = operationOf(path, askedAtEnd(path, fields), DIRECT, fixture.values, caller.name)
          checkAnswer(caller, path, { name: how }, operation, await firstOf(caller, operation, how))
        }
      }
    })

    it('changes nothing when it refuses a mutation', async () => {
      const [path] = overHttp().filter(({ end }) => end.name === 'Mutation') as [Path]
      const refused = fieldsOf(path.root).filter(field => !isAllowed(coordinateOf({ type: path.root, field }), caller))
      const before = await rowsOf(fixture.gateway.database, 'default')
      for (const field of refused) {
        const { query, variables } = operationOf(path, askedAtEnd(path, [field]), DIRECT, fixture.values, 'refused')
        expect((await (await clientOf(caller)).send({ query, variables })).status).toBe(403)
      }
      expect(await rowsOf(fixture.gateway.database, 'default')).toEqual(before)
    })
  })
})

/** Whether the caller can reach the coordinate on no path over HTTP. */
function isOutOfReach(coordinate: string, caller: MatrixCaller): boolean {
  const [type] = coordinate.split('.') as [string]
  return type === 'Subscription' || !overHttp().some(path => path.end.name === type && isFor(path, caller))
}
