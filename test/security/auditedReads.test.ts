import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { GraphqlClient } from '../support/client.js'
import { type MatrixFixture, SUBJECT, startMatrixFixture } from './support/matrixFixture.js'
import { askedAtEnd, coordinateOf, operationOf, type Path, pathsOf } from './support/selections.js'

const WAY = { name: 'directly' }
// A mutation may find its work done when it is repeated, and then only shows what is stored.
const TIMES = 3
const PREDICTION_ID = /"id":"([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21})"/g

describe('the audit finds each prediction that was shown', () => {
  let fixture: MatrixFixture
  let admin: GraphqlClient
  let paths: readonly Path[]
  beforeAll(async () => {
    fixture = await startMatrixFixture()
    admin = await fixture.gateway.as({ roles: ['ADMIN'], subject: SUBJECT })
    paths = pathsOf(fixture.schema).filter(({ root, end }) => root.name !== 'Subscription' && end.name === 'Prediction')
  })
  afterAll(() => fixture[Symbol.asyncDispose]())

  /** The ids in the answer, without those of predictions that the operation itself has made. */
  async function shownBy(path: Path): Promise<string[]> {
    const [id] = Object.values(path.end.getFields()).filter(({ name }) => name === 'id')
    if (!id) throw new Error('A prediction has no id.')
    const { query, variables } = operationOf(path, askedAtEnd(path, [id]), WAY, fixture.values, 'audited')
    const before = await predictionIds()
    const { status, text } = await admin.raw({
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    })
    expect({ query, status }).toEqual({ query, status: 200 })
    return [...text.matchAll(PREDICTION_ID)].map(([, found]) => found as string).filter(found => before.has(found))
  }

  async function predictionIds(): Promise<Set<string>> {
    const rows = await fixture.gateway.database.sql<{ id: string }[]>`select id from predictions`
    return new Set(rows.map(({ id }) => id))
  }

  /** The ids that the entries after `last` name: a read names all ids in its details, any other action has one as its subject. */
  async function auditedAfter(last: string): Promise<Set<string>> {
    const rows = await fixture.gateway.database.sql<{ action: string; subject: string; details: { ids?: string[] } }[]>`
      select action, subject, details from audit_entries where id > ${last}`
    return new Set(rows.flatMap(({ action, subject, details }) => (action.endsWith('.read') ? (details.ids ?? []) : [subject])))
  }

  it('on every path of the schema, however often it is asked', async () => {
    expect(paths.length).toBeGreaterThan(20)
    let shown = 0
    for (const path of paths) {
      for (let time = 0; time < TIMES; time++) {
        const [last] = await fixture.gateway.database.sql<
          { id: string }[]
        >`select coalesce(max(id), 0)::text as id from audit_entries`
        const ids = await shownBy(path)
        const audited = await auditedAfter(last?.id ?? '0')
        const missing = ids.filter(id => !audited.has(id))
        expect({ path: path.steps.map(coordinateOf).join(' '), missing }).toEqual({ path: expect.anything(), missing: [] })
        shown += ids.length
      }
    }
    expect(shown).toBeGreaterThan(paths.length)
  })
})
