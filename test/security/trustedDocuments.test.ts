import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Config } from '../../src/config/config.js'
import { ConfigError } from '../../src/errors.js'
import type { Logger } from '../../src/observability/logger.js'
import { startTrustedDocuments } from '../../src/start/trustedDocuments.js'
import { HIGH_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { createTestDatabase } from '../support/database.js'
import { testFolder } from '../support/folder.js'
import { startGateway, TEST_SECRET, type TestGateway } from '../support/gateway.js'
import { runCommand } from '../support/gatewayProcess.js'
import { createGatewaySchema } from '../unit/support/gatewaySchema.js'

/** The manifest that @graphql-codegen/client-preset wrote. */
const MANIFEST = join(import.meta.dirname, 'generated/persisted-documents.json')
const registered = JSON.parse(readFileSync(MANIFEST, 'utf8')) as Record<string, string>
const registeredAs = (name: string): [id: string, text: string] => {
  const found = Object.entries(registered).find(([, text]) => text.includes(name))
  if (!found) throw new Error(`The manifest has no ${name}.`)
  return found
}
const [whoAmI, whoAmIText] = registeredAs('WhoAmI')
const [scoreId] = registeredAs('Score')
const [watch, watchText] = registeredAs('Watch')
const bare = (id: string) => id.replace('sha256:', '')
const persisted = (id: string) => ({ persistedQuery: { version: 1, sha256Hash: bare(id) } })
const CSRF = { 'apollo-require-preflight': '1' }

describe('a gateway that runs only registered documents', () => {
  let gateway: TestGateway
  let client: GraphqlClient
  beforeAll(async () => {
    gateway = await startGateway({ RISKGATE_TRUSTED_DOCUMENTS: MANIFEST })
    client = await gateway.as({ roles: ['ADMIN'] })
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  it.each<[string, object]>([
    ['its id', { documentId: whoAmI }],
    ['its bare hash', { documentId: bare(whoAmI) }],
    ["Apollo's extension", { extensions: persisted(whoAmI) }],
    ['its id and its operation', { documentId: whoAmI, operationName: 'WhoAmI' }],
    ['its text', { query: whoAmIText }],
    ['its text and its id', { query: whoAmIText, documentId: whoAmI }],
    ["its text and Apollo's extension", { query: whoAmIText, extensions: persisted(whoAmI) }],
  ])('runs one by %s, repeatedly', async (_how, body) => {
    for (let use = 1; use <= 4; use++) {
      const { status, data } = await client.send(body)
      expect({ status, data }).toEqual({ status: 200, data: { viewer: { id: 'test-client', tenant: 'default' } } })
    }
  })

  it('runs a mutation by id with its variables, and refuses wrong ones', async () => {
    const input = { applicantId: 'a', features: { consumerCredit: HIGH_RISK } }
    for (let use = 1; use <= 4; use++) {
      const scored = await client.send({ documentId: scoreId, variables: { input } })
      expect(scored.data).toMatchObject({ predictRisk: { replayed: false, prediction: { band: 'T8' } } })
    }
    const { errors } = await client.send({ documentId: scoreId, variables: { input: 5 } })
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }])
  })

  it.each<[string, object]>([
    ['any other text', { query: '{ viewer { id } }' }],
    ['the schema', { query: '{ __schema { types { name } } }' }],
    ['a registered text with an extra space', { query: `${whoAmIText} ` }],
    ['a registered text followed by another operation', { query: `${whoAmIText} query B { models { name } }` }],
    ['an id that is not registered', { documentId: `sha256:${'0'.repeat(64)}` }],
    ['another text under a registered id', { documentId: whoAmI, query: '{ models { name } }' }],
    ['a registered text under the id of another', { documentId: watch, query: whoAmIText }],
    ["another text under a registered id in Apollo's extension", { query: '{ models { name } }', extensions: persisted(whoAmI) }],
    ['an id that is not a text', { documentId: { length: 71 } }],
    ['an id of another algorithm', { documentId: `md5:${bare(whoAmI)}` }],
    ['the id __proto__', { documentId: '__proto__' }],
    ['no document', { variables: {} }],
    ['a list of requests', [{ query: whoAmIText }, { query: '{ models { name } }' }]],
    ['a text that cannot be parsed', { query: '{' }],
  ])('refuses %s', async (_what, body) => {
    for (let use = 1; use <= 3; use++) {
      const { status, data, errors } = await client.send(body)
      expect({ status, data }).toEqual({ status: 400, data: undefined })
      expect(errors).toMatchObject([{ extensions: { code: 'BAD_REQUEST' } }])
    }
  })

  it.each<[string, Record<string, string>, number]>([
    ['by id', { documentId: whoAmI }, 200],
    ['by the extension', { extensions: JSON.stringify(persisted(whoAmI)) }, 200],
    ['by text', { query: whoAmIText }, 200],
    ['not for a mutation', { documentId: scoreId, variables: '{}' }, 400],
    ['not for any other text', { query: '{ models { name } }' }, 400],
    ['not for another text beside an id', { query: '{ models { name } }', documentId: whoAmI }, 400],
    ['not for an unknown id', { documentId: 'x' }, 400],
  ])('answers GET %s', async (_how, search, status) => {
    const answer = await client.raw({ method: 'GET', headers: CSRF }, `?${new URLSearchParams(search)}`)
    expect(answer.status).toBe(status)
    if (status === 200) expect(JSON.parse(answer.text).data.viewer.id).toBe('test-client')
  })

  it('is not misled by a URL that names two documents', async () => {
    for (const names of ['query', 'q%75ery']) {
      const search = `?query=${encodeURIComponent(whoAmIText)}&${names}=${encodeURIComponent('{ models { name } }')}`
      const { text } = await client.raw({ method: 'GET', headers: CSRF }, search)
      expect(text).not.toContain('models')
    }
  })

  it.each<[string, object, string | undefined]>([
    ['by id', { documentId: watch }, undefined],
    ['by its text', { query: watchText }, undefined],
    ['not by another text', { query: 'subscription { highRiskScored { id } }' }, 'BAD_REQUEST'],
    ['not by an unknown id', { documentId: bare(watch).replace(/./g, '0') }, 'BAD_REQUEST'],
  ])('streams server-sent events %s', async (_how, body, code) => {
    const response = await client.openStream(body)
    const [first] = response
    if (code === undefined) expect(first).toBeUndefined()
    else expect(first).toContain(code)
  })

  it('accepts subscriptions over WebSocket by id or text only', async () => {
    const asked = async (payload: object) => {
      const sockets = client.sockets()
      const events = sockets.iterate(payload as { query: string })
      const first = await Promise.race([events.next(), new Promise(resolve => setTimeout(resolve, 300, 'open'))]).catch(
        error => error,
      )
      await sockets.dispose()
      return JSON.stringify(first)
    }
    expect(await asked({ query: '', documentId: watch })).toBe('"open"')
    expect(await asked({ query: watchText })).toBe('"open"')
    expect(await asked({ query: 'subscription { highRiskScored { id } }' })).toContain('BAD_REQUEST')
    expect(await asked({ query: '', extensions: persisted(whoAmI) })).toContain('Only subscriptions are served here')
  })
})

describe('a manifest', () => {
  const directory = testFolder('manifest')
  const hash = (text: string) => createHash('sha256').update(text).digest('hex')
  const write = (content: unknown) => {
    const file = join(directory, 'manifest.json')
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
    return file
  }
  const start = async (file: string, warn = (_fields: unknown, _message?: string): void => {}) => {
    const { schema } = await createGatewaySchema()
    return startTrustedDocuments({ config: { trustedDocumentsFile: file } as Config, logger: { warn } as Logger }, { schema })
  }
  const problemsOf = async (file: string) => {
    const error = await start(file).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ConfigError)
    return (error as ConfigError).problems
  }

  it.each<[string, unknown, RegExp]>([
    ['is not JSON', 'no json', /not a JSON object/],
    ['is a list', [], /not a JSON object/],
    ['is empty', {}, /holds no document/],
  ])('that %s is refused', async (_what, content, problem) => {
    expect(await problemsOf(write(content))).toEqual([expect.stringMatching(problem)])
  })

  it('that is missing, or is a folder, is refused', async () => {
    expect(await problemsOf(join(directory, 'none.json'))).toEqual([expect.stringContaining('ENOENT')])
    expect(await problemsOf(directory)).toEqual([expect.stringContaining('EISDIR')])
  })

  it('is refused with every problem at once', async () => {
    const problems = await problemsOf(
      write({ [hash('{')]: '{', [`sha256:${hash('{ a }')}`]: '{ b }', abc: '{ viewer { id } }', [hash('1')]: 1 }),
    )
    expect(problems).toHaveLength(4)
    for (const problem of problems) expect(problem).toMatch(/^RISKGATE_TRUSTED_DOCUMENTS: /)
  })

  it('may hold documents that do not fit the schema: they are logged, and the others run', async () => {
    const [fits, other, deep] = ['{ viewer { id } }', '{ viewer { name } }', `{ ${'a: __typename '.repeat(16)} }`]
    const warned: unknown[] = []
    const file = write({ [hash(fits)]: fits, [hash(other)]: other, [hash(deep)]: deep })
    const documents = await start(file, (fields, message) => warned.push([message, fields]))
    expect(warned).toEqual([other, deep].map(text => ['a registered document does not fit the schema', { id: hash(text) }]))
    expect(documents?.textOf({ documentId: hash(fits) })).toBe(fits)
  })

  it('ends the command with status 78 if it is wrong', async () => {
    await using database = await createTestDatabase()
    const { status, stderr } = await runCommand([], {
      DATABASE_URL: database.url,
      RISKGATE_JWT_SECRET: TEST_SECRET,
      RISKGATE_PORT: '0',
      RISKGATE_STATE_DIR: directory,
      RISKGATE_TRUSTED_DOCUMENTS: write({ abc: '{', def: 1 }),
    })
    expect(status).toBe(78)
    expect(stderr.trim().split('\n')).toHaveLength(2)
  })
})
