import { readFileSync } from 'node:fs'
import {
  buildSchema,
  type GraphQLField,
  type GraphQLInputType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LOW_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { storedRows } from '../support/stored.js'

const schema = buildSchema(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'))
const PLACEHOLDER = 'the odd text'

interface Place {
  readonly name: string
  readonly kind: string
  readonly query: string
  /** JSON of the variables, with the placeholder at the place. */
  readonly variables: string
}

/** Every ID and String that a root field takes, at any depth of its input. */
const PLACES: Place[] = [schema.getQueryType(), schema.getMutationType()].flatMap(type =>
  Object.values(type?.getFields() ?? {}).flatMap(field =>
    field.args.flatMap(argument =>
      within(argument.type, []).map(({ path, kind }) => {
        const required = field.args.filter(other => isNonNullType(other.type) || other === argument)
        const variables = Object.fromEntries(
          required.map(other => [other.name, other === argument ? inputOf(other.type, path) : inputOf(other.type, undefined)]),
        )
        return {
          name: [field.name, argument.name, ...path].join('.'),
          kind,
          query: queryOf(type?.name === 'Mutation' ? 'mutation' : 'query', field, Object.keys(variables)),
          variables: JSON.stringify(variables),
        }
      }),
    ),
  ),
)

function within(type: GraphQLInputType, path: readonly string[]): { path: readonly string[]; kind: string }[] {
  const named = getNamedType(type)
  if (isInputObjectType(named)) {
    return Object.values(named.getFields()).flatMap(field => within(field.type, [...path, field.name]))
  }
  return named.name === 'ID' || named.name === 'String' ? [{ path, kind: named.name }] : []
}

/** A value with all that is required, and with the placeholder at the path. */
function inputOf(type: GraphQLInputType, path: readonly string[] | undefined): unknown {
  if (isNonNullType(type)) return inputOf(type.ofType, path)
  if (isListType(type)) return [inputOf(type.ofType, path)]
  if (isInputObjectType(type)) {
    if (type.name === 'ModelFeaturesInput') return { consumerCredit: featuresOf(path?.at(-1)) }
    const fields = Object.values(type.getFields()).filter(({ name, type: of }) => name === path?.[0] || isNonNullType(of))
    return Object.fromEntries(
      fields.map(({ name, type: of }) => [name, inputOf(of, name === path?.[0] ? path.slice(1) : undefined)]),
    )
  }
  if (path) return PLACEHOLDER
  if (isEnumType(type)) return type.getValues()[0]?.name
  if (type.name === 'Boolean') return true
  return type.name === 'DateTime' ? new Date(0).toISOString() : 'text'
}

function featuresOf(odd: string | undefined): object {
  return odd === undefined ? LOW_RISK : { ...LOW_RISK, [odd]: PLACEHOLDER }
}

function queryOf(kind: string, field: GraphQLField<unknown, unknown>, given: readonly string[]): string {
  const args = field.args.filter(({ name }) => given.includes(name))
  const declared = args.map(({ name, type }) => `$${name}: ${String(type)}`).join(', ')
  return `${kind}(${declared}) { ${field.name}(${args.map(({ name }) => `${name}: $${name}`).join(', ')}) ${selectionOf(field)} }`
}

function selectionOf(field: GraphQLField<unknown, unknown>): string {
  const type = getNamedType(field.type)
  if (!isObjectType(type)) return ''
  return type.getFields().results ? '{ results { errors { code } } }' : '{ __typename }'
}

describe('in every argument', () => {
  let gateway: TestGateway
  let client: GraphqlClient
  beforeAll(async () => {
    gateway = await startGateway()
    client = await gateway.as({ roles: ['ADMIN'] })
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  /** `json`: the odd value as it stands in the body. */
  async function codesOf({ query, variables }: Place, json: string): Promise<unknown[]> {
    const codes = new Set<unknown>()
    const body = `{"query":${JSON.stringify(query)},"variables":${variables.replace(`"${PLACEHOLDER}"`, () => json)}}`
    for (let use = 0; use < 3; use++) {
      const { text } = await client.raw({ method: 'POST', headers: { 'content-type': 'application/json' }, body })
      codes.add(/"code":"(\w+)"/.exec(text)?.[1] ?? 'OK')
    }
    return [...codes]
  }

  it('of kind ID and String there are more than ten places each', () => {
    for (const wanted of ['ID', 'String']) expect(PLACES.filter(({ kind }) => kind === wanted).length).toBeGreaterThan(10)
  })

  it.each([
    ['U+0000', '"a\\u0000"'],
    ['the first half of a surrogate pair', '"\\ud800"'],
    ['the second half of a surrogate pair', '"\\udc00a"'],
    ['two halves in the wrong order', '"\\udc00\\ud800"'],
  ])('a text with %s is refused, and nothing is stored', async (_what, json) => {
    const before = await storedRows(gateway)
    for (const place of PLACES) {
      const code = place.name.endsWith('predictionId') ? 'NOT_FOUND' : 'BAD_USER_INPUT'
      expect({ place: place.name, codes: await codesOf(place, json) }).toEqual({ place: place.name, codes: [code] })
    }
    expect(await storedRows(gateway)).toEqual(before)
  })

  it.each([
    '"\\u202e\\u2066"',
    '"\\ufffe\\uffff"',
    '"\\ud83d\\ude00"',
    '"\\u0301\\u0000c"',
    '"\\ufeff"',
    '"\\u2028"',
    '"%00\'\\"\\\\"',
    '" "',
  ])('the text %s is no failure of ours', async json => {
    for (const place of PLACES) {
      const codes = await codesOf(place, json)
      expect({ place: place.name, codes }).not.toEqual({
        place: place.name,
        codes: expect.arrayContaining(['INTERNAL_SERVER_ERROR']),
      })
    }
  })

  it.each(['9007199254740993', '-9007199254740993', '1e21', '1e400'])(
    'the number %s is refused for an ID, since JSON does not keep its digits',
    async json => {
      const before = await storedRows(gateway)
      for (const place of PLACES.filter(({ kind }) => kind === 'ID')) {
        expect({ place: place.name, codes: await codesOf(place, json) }).toEqual({ place: place.name, codes: ['BAD_USER_INPUT'] })
      }
      expect(await storedRows(gateway)).toEqual(before)
    },
  )

  it('a refused number says where it is and what to do', async () => {
    const place = PLACES.find(({ name }) => name === 'predictRisk.input.applicantId') as Place
    const body = `{"query":${JSON.stringify(place.query)},"variables":${place.variables.replace(`"${PLACEHOLDER}"`, '9007199254740993')}}`
    const { text } = await client.raw({ method: 'POST', headers: { 'content-type': 'application/json' }, body })
    expect((JSON.parse(text) as { errors: { message: string }[] }).errors[0]?.message).toBe(
      'Variable "$input" at "input.applicantId": an ID is a text. Send numbers over 9007199254740991 as a text too.',
    )
  })

  it('a number that JSON keeps is the same text as a literal', async () => {
    const score =
      'mutation($id: ID!, $f: ConsumerCreditFeaturesInput!) { predictRisk(input: { applicantId: $id, features: { consumerCredit: $f } }) { prediction { applicantId } } }'
    for (const id of ['9007199254740991', '0', '-5']) {
      const body = `{"query":${JSON.stringify(score)},"variables":{"id":${id},"f":${JSON.stringify(LOW_RISK)}}}`
      const { text } = await client.raw({ method: 'POST', headers: { 'content-type': 'application/json' }, body })
      expect(JSON.parse(text)).toEqual({ data: { predictRisk: { prediction: { applicantId: id } } } })
    }
  })

  it('a whole number that JSON has rounded is refused as a feature', async () => {
    const score = 'mutation($input: PredictRiskInput!) { predictRisk(input: $input) { replayed } }'
    const variables = { input: { applicantId: 'a', features: { consumerCredit: { ...LOW_RISK, seniority: 0 } } } }
    const body = JSON.stringify({ query: score, variables }).replace('"seniority":0', '"seniority":9007199254740993')
    const { status, text } = await client.raw({ method: 'POST', headers: { 'content-type': 'application/json' }, body })
    expect(status).toBe(400)
    expect(text).toContain('"path":["features","consumerCredit","seniority"]')
  })
})
