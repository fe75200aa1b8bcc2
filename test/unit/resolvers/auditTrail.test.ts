import { describe, expect, it } from 'vitest'
import { permissionsOf } from '../../../src/auth/permissions.js'
import type { Principal } from '../../../src/auth/principal.js'
import { AuditTrail } from '../../../src/resolvers/auditTrail.js'
import { notedBefore } from '../../../src/resolvers/subscriptionAudit.js'
import type { NewAuditEntry } from '../../../src/storage/audit/auditEntries.js'

const PRINCIPAL: Principal = {
  id: 'analyst',
  tenant: 'bank',
  roles: ['ANALYST'],
  permissions: permissionsOf(['ANALYST']),
  expiresAt: new Date(Date.now() + 60_000),
  credential: 'key',
}

function newTrail() {
  const written: NewAuditEntry[] = []
  const writer = { write: async (entries: readonly NewAuditEntry[]) => void written.push(...entries) }
  const trail = new AuditTrail({ writer, digest: (tenant, text) => `digest of ${tenant} ${text}` }, PRINCIPAL)
  return { trail, written }
}

const rows = (count: number) => Array.from({ length: count }, (_, i) => ({ id: `p-${i}` }))

describe('the trail of a principal', () => {
  it('holds all ids, at most 100 in an entry', async () => {
    const { trail, written } = newTrail()
    await trail.features(rows(250).map(({ id }) => id))
    expect(written.map(({ details }) => (details.ids as string[]).length)).toEqual([100, 100, 50])
    expect(written.flatMap(({ details }) => details.ids)).toEqual(rows(250).map(({ id }) => id))
    expect(new Set(written.map(({ subject, action }) => `${subject} ${action}`))).toEqual(new Set(['bank features.read']))
  })

  it('notes a list that was empty, but not a read of features of no prediction', async () => {
    const { trail, written } = newTrail()
    await trail.list('predictions', { applicantId: 'nobody' }, [])
    await trail.features([])
    await trail.predictions('prediction', [])
    expect(written).toMatchObject([
      { subject: 'digest of bank nobody', details: { operation: 'predictions', filter: {}, ids: [] } },
    ])
  })

  it('has an entry for each applicant', async () => {
    const { trail, written } = newTrail()
    await trail.applicants(
      'applicant',
      rows(200).map(({ id }) => ({ applicantId: `of-${id}`, predictions: [{ id }] })),
    )
    expect(written.map(({ subject, details }) => [subject, details.ids])).toEqual(
      rows(200).map(({ id }) => [`digest of bank of-${id}`, [id]]),
    )
  })

  it('holds the texts of a filter as digests, and each value of a list once', async () => {
    const { trail, written } = newTrail()
    const filter = { model: 'm', bands: ['T1', 'T2', 'T1'], highRisk: false, channel: null, probability: { from: 0.5 } }
    await trail.list('predictions', filter as object, rows(1))
    expect(written[0]?.details.filter).toEqual({
      model: 'digest of bank m',
      bands: ['T1', 'T2'],
      highRisk: false,
      probability: { from: 0.5 },
    })
  })
})

describe('events of a subscription', () => {
  async function* events() {
    yield 1
    yield 2
  }

  it('come unchanged after the audit entry, which is written once', async () => {
    let notes = 0
    const audited = notedBefore(events(), async () => void notes++)
    const given = []
    for await (const event of audited) given.push(event)
    expect(given).toEqual([1, 2])
    expect(notes).toBe(1)
  })

  it('come if the second attempt to write the audit entry succeeds', async () => {
    let attempts = 0
    const audited = notedBefore(events(), async () => {
      if (++attempts === 1) throw new Error('away')
    })
    expect(await audited.next()).toEqual({ done: false, value: 1 })
    expect(await audited.next()).toEqual({ done: false, value: 2 })
    expect(attempts).toBe(2)
  })

  it('do not come if the audit entry cannot be written', async () => {
    const audited = notedBefore(events(), () => Promise.reject(new Error('away')))
    await expect(audited.next()).rejects.toThrow('away')
  })

  it('end their source when they end', async () => {
    let isEnded = false
    async function* endless() {
      try {
        for (;;) yield 1
      } finally {
        isEnded = true
      }
    }
    const audited = notedBefore(endless(), async () => {})
    await audited.next()
    await audited.return?.()
    expect(isEnded).toBe(true)
  })
})
