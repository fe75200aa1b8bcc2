import { describe, expect, it } from 'vitest'
import { type AuditCursorPosition, decodeAuditCursor, encodeAuditCursor } from '../../../../src/storage/audit/auditCursor.js'
import type { AuditFilter } from '../../../../src/storage/audit/auditQuery.js'
import { EntryIds } from '../../../../src/storage/audit/entryIds.js'

const POSITION = { at: 1_795_293_884_906, id: '9223372036854775807' }
const FILTER = { action: 'history.read', principal: undefined, subjects: ['s'], from: new Date(0), to: undefined }

const IDS = new EntryIds('the key')
const encode = (position: AuditCursorPosition, filter: AuditFilter) => encodeAuditCursor(position, filter, IDS)
const decode = (cursor: string, filter: AuditFilter) => decodeAuditCursor(cursor, filter, IDS)

describe('the shown id of an entry', () => {
  it.each(['1', '2', '10000000', '9223372036854775807'])('hides the number %s, and leads back to it', id => {
    const shown = IDS.shown(id)
    expect(shown).toMatch(/^[0-9a-f]{32}$/)
    expect(IDS.stored(shown)).toBe(id)
    expect(new EntryIds('another key').stored(shown)).toBeUndefined()
  })

  it.each(['', '1', 'x', '0'.repeat(32), 'f'.repeat(32), '0'.repeat(64)])('is not %s', text => {
    expect(IDS.stored(text)).toBeUndefined()
  })
})

describe('an audit cursor', () => {
  it('decodes to the position that it was made for', () => {
    expect(decode(encode(POSITION, FILTER), FILTER)).toEqual(POSITION)
  })

  it.each([
    { ...FILTER, action: undefined },
    { ...FILTER, principal: 'p' },
    { ...FILTER, subjects: [] },
    { ...FILTER, subjects: ['s', 't'] },
    { ...FILTER, from: new Date(1) },
    { ...FILTER, from: undefined, to: new Date(0) },
  ])('is BAD_CURSOR with another filter: %j', other => {
    expect(() => decode(encode(POSITION, FILTER), other)).toThrow('does not belong to this filter')
  })

  it('is BAD_CURSOR if any part of it was changed or lost', () => {
    const cursor = encode(POSITION, FILTER)
    const [digest, ...rest] = Buffer.from(cursor, 'base64url').toString().split('.')
    const changed = [
      ...Array.from(cursor, (_, i) => cursor.slice(0, i)),
      `${cursor}A`,
      `${cursor}=`,
      Buffer.from([digest, rest[0], '1'].join('.')).toString('base64url'),
      Buffer.from([digest, `0${rest[0]}`, rest[1]].join('.')).toString('base64url'),
      Buffer.from([digest, '1', rest[1]].join('.')).toString('base64url'),
    ]
    for (const wrong of changed) expect(() => decode(wrong, FILTER)).toThrow('does not belong to this filter')
  })
})
