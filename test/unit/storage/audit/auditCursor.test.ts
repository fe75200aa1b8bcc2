import { describe, expect, it } from 'vitest'
import { decodeAuditCursor, encodeAuditCursor } from '../../../../src/storage/audit/auditCursor.js'

const POSITION = { at: 1_795_293_884_906, id: '9223372036854775807' }
const FILTER = { action: 'history.read', principal: undefined, subjects: ['s'], from: new Date(0), to: undefined }

describe('an audit cursor', () => {
  it('decodes to the position that it was made for', () => {
    expect(decodeAuditCursor(encodeAuditCursor(POSITION, FILTER), FILTER)).toEqual(POSITION)
  })

  it.each([
    { ...FILTER, action: undefined },
    { ...FILTER, principal: 'p' },
    { ...FILTER, subjects: [] },
    { ...FILTER, subjects: ['s', 't'] },
    { ...FILTER, from: new Date(1) },
    { ...FILTER, from: undefined, to: new Date(0) },
  ])('is BAD_CURSOR with another filter: %j', other => {
    expect(() => decodeAuditCursor(encodeAuditCursor(POSITION, FILTER), other)).toThrow('does not belong to this filter')
  })

  it('is BAD_CURSOR if any part of it was changed or lost', () => {
    const cursor = encodeAuditCursor(POSITION, FILTER)
    const [digest, ...rest] = Buffer.from(cursor, 'base64url').toString().split('.')
    const changed = [
      ...Array.from(cursor, (_, i) => cursor.slice(0, i)),
      `${cursor}A`,
      `${cursor}=`,
      Buffer.from([digest, rest[0], '1'].join('.')).toString('base64url'),
      Buffer.from([digest, `0${rest[0]}`, rest[1]].join('.')).toString('base64url'),
      Buffer.from([digest, '1', rest[1]].join('.')).toString('base64url'),
    ]
    for (const wrong of changed) expect(() => decodeAuditCursor(wrong, FILTER)).toThrow('does not belong to this filter')
  })
})
