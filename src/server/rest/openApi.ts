import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { ERROR_CODES } from '../../errors.js'
import type { ModelContract } from '../../scoring/contract.js'
import { type OnRequest, onlyAfter } from '../access.js'
import { JSON_TYPE } from '../formatError.js'
import { COMMON_CODES, PROBLEM_CODES, type ProblemCode } from './problemCodes.js'
import { storable } from './queryParameters.js'
import type { RestRoute } from './restRoute.js'
import { restRoutes } from './restRoutes.js'

type Json = Record<string, unknown>

/** The version of the REST API: it grows by additions only. */
const API_VERSION = '1.0.0'

const DESCRIPTION = `Score credit applications, read what was scored, record what became of the loans.

The addresses below run the same operations as GraphQL at \`/graphql\`: with the same roles, limits, storage and audit. Send an access
token or an API key as \`Authorization: Bearer …\`. Errors are problems of RFC 9457 with a stable \`code\`; no error repeats a value that
was sent. Answers may get new fields: ignore those that you do not know.`

/** Serves the document to callers that may read the schema. Without `mayRead`, to anybody. */
export function serveOpenApi(server: FastifyInstance, contracts: readonly ModelContract[], mayRead: OnRequest | undefined): void {
  let text: string | undefined
  server.get('/api/openapi.json', onlyAfter(mayRead), (_request, reply) => {
    // Not at the start, which it would delay.
    text ??= JSON.stringify(openApi(contracts))
    return reply.type(JSON_TYPE).send(text)
  })
}

/** The OpenAPI 3.1 document of the REST door, for the models of these contracts. */
export function openApi(contracts: readonly ModelContract[]): Json {
  const schemas = new Schemas()
  schemas.add('Problem', PROBLEM)
  const paths: Record<string, Json> = {}
  for (const route of restRoutes(contracts)) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route, schemas) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'riskgate', version: API_VERSION, description: DESCRIPTION, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'An access token or an API key.' } },
      headers: HEADERS,
      schemas: schemas.byName,
    },
  }
}

function operationOf(route: RestRoute, schemas: Schemas): Json {
  const { operationId, tag, summary, description } = route
  const body = route.shownBody ?? route.body
  const name = operationId.charAt(0).toUpperCase() + operationId.slice(1)
  return {
    operationId,
    tags: [tag],
    summary,
    description,
    parameters: parametersOf(route),
    ...(body && { requestBody: { required: true, content: jsonContent(schemas.use(body, `${name}Request`)) } }),
    responses: {
      '200': {
        description: 'Done.',
        headers: headersOf('x-request-id', ...QUOTA, ...(route.hasEntityTag ? (['etag'] as const) : [])),
        content: jsonContent(schemas.use(route.answer, `${name}Answer`)),
      },
      ...(route.hasEntityTag && { '304': { description: 'Unchanged since the answer with the ETag of If-None-Match.' } }),
      ...problemResponses(route),
    },
  }
}

function parametersOf({ path, query, idempotencyKey, hasEntityTag }: RestRoute): Json[] {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { ...schemaOf(storable, 'input'), minLength: 1 },
  }))
  const inQuery = Object.entries((query && schemaOf(query, 'output').properties) ?? {})
  return [
    ...inPath,
    ...inQuery.map(([name, schema]) => parameterOf(name, 'query', schema as Json)),
    ...(idempotencyKey ? [parameterOf('Idempotency-Key', 'header', schemaOf(idempotencyKey, 'input'))] : []),
    ...(hasEntityTag
      ? [parameterOf('If-None-Match', 'header', { type: 'string', description: 'The ETag of an earlier answer.' })]
      : []),
  ]
}

function parameterOf(name: string, place: 'query' | 'header', { description, ...schema }: Json): Json {
  return { name, in: place, ...(description !== undefined && { description }), schema }
}

function problemResponses({ codes, body }: RestRoute): Record<string, Json> {
  const all: ProblemCode[] = [...COMMON_CODES, ...codes, ...(body ? (['PAYLOAD_TOO_LARGE'] as const) : [])]
  const statuses = [...new Set(all.map(code => ERROR_CODES[code].status))].sort()
  const byStatus = statuses.map(status => {
    const ofStatus = all.filter(code => ERROR_CODES[code].status === status)
    const response = problemResponse(ofStatus.map(code => `${code}: ${PROBLEM_CODES[code]}`).join('\n\n'))
    const mayPass = ofStatus.some(code => ERROR_CODES[code].retryable)
    return [String(status), { ...response, ...(mayPass && { headers: headersOf('retry-after') }) }]
  })
  const wrongType = problemResponse('BAD_REQUEST: the body is not JSON by its Content-Type, or is compressed.')
  return Object.fromEntries([...byStatus, ...(body ? [['415', wrongType]] : [])])
}

function problemResponse(description: string): Json {
  return { description, content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } }
}

function headersOf(...names: (keyof typeof HEADERS)[]): Json {
  return Object.fromEntries(names.map(name => [name, { $ref: `#/components/headers/${name}` }]))
}

const jsonContent = (schema: Json) => ({ 'application/json': { schema } })
const header = (type: 'string' | 'integer', description: string) => ({ description, schema: { type } })

const HEADERS = {
  'x-request-id': header('string', 'Finds the request in the logs.'),
  etag: header('string', 'For If-None-Match.'),
  'retry-after': header('integer', 'Seconds to wait before the same request.'),
  'ratelimit-limit': header('integer', 'The points of the limit that the caller will reach first. No limit: no such headers.'),
  'ratelimit-remaining': header('integer', 'Its points that are left.'),
  'ratelimit-reset': header('integer', 'Seconds until all of them are there again.'),
}
const QUOTA = ['ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset'] as const

const PROBLEM: Json = {
  description: 'An error (RFC 9457).',
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'requestId'],
  properties: {
    type: { type: 'string', format: 'uri-reference', description: 'Leads to the meaning of the code.' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'A sentence that says what to do.' },
    code: {
      type: 'string',
      oneOf: Object.entries(PROBLEM_CODES).map(([code, description]) => ({ const: code, description })),
    },
    requestId: { type: 'string', description: 'Finds the request in the logs.' },
    retryable: { type: 'boolean', description: 'True where the same request may succeed later.' },
    errorId: { type: 'string' },
    problems: {
      type: 'array',
      description: 'Each mistake with its place: a JSON pointer into the body, a parameter of the address or a header.',
      items: {
        type: 'object',
        required: ['code', 'detail'],
        properties: {
          code: { type: 'string' },
          detail: { type: 'string' },
          pointer: { type: 'string' },
          parameter: { type: 'string' },
          header: { type: 'string' },
        },
      },
    },
  },
}

/** The named schemas of the document. */
class Schemas {
  readonly byName: Record<string, unknown> = {}

  add(name: string, schema: Json): Json {
    this.byName[name] = schema
    return { $ref: `#/components/schemas/${name}` }
  }

  /** Adds a schema and those within it that have an id. One without an id gets the name. */
  use(schema: z.ZodType, name: string): Json {
    const { $defs = {}, ...own } = schemaOf(schema, 'input')
    for (const [id, inner] of Object.entries($defs)) this.add(id, inner as Json)
    return '$ref' in own ? own : this.add(name, own)
  }
}

/** `input`: as a body holds it. `output`: the values of parameters, whose texts are converted. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json & { $defs?: Json; properties?: Json } {
  const { $schema: _, id: __, ...json } = z.toJSONSchema(schema, { io })
  return JSON.parse(JSON.stringify(json).replaceAll('"#/$defs/', '"#/components/schemas/'))
}
