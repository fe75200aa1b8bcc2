import { describe, expect, it } from 'vitest'
import { unexpected } from '../../../src/observability/logger.js'

const FORGED = 'secret\n    at secret (secret.js:1:1)'
const HERE = expect.stringContaining('logger.test.ts')

describe('the log line of an unexpected error', () => {
  it('holds its name, its code and the frames of its stack', () => {
    const error = Object.assign(new TypeError('secret'), { code: 'E_KIND' })
    expect(unexpected(error)).toMatchObject({ error: 'TypeError', code: 'E_KIND', at: expect.arrayContaining([HERE]) })
    expect(JSON.stringify(unexpected(error))).not.toContain('secret')
  })

  it('holds no line of the message that looks like a frame', () => {
    for (const error of [new Error(FORGED), new Error(`${FORGED}\n`), new Error(`\n${FORGED}`)]) {
      expect(unexpected(error)).toMatchObject({ at: expect.arrayContaining([HERE]) })
      expect(JSON.stringify(unexpected(error))).not.toContain('secret')
    }
  })

  it('holds no line of the message if the message was changed later', () => {
    for (const message of ['', 'other', 'secret']) {
      const error = new Error(`first ${FORGED}`)
      error.message = message
      expect(JSON.stringify(unexpected(error))).not.toContain('secret')
    }
  })

  it('holds the frames also if the message is empty, or the name was changed later', () => {
    expect(unexpected(new Error())).toMatchObject({ at: expect.arrayContaining([HERE]) })
    const named = new Error(FORGED)
    named.name = 'Named'
    expect(unexpected(named)).toMatchObject({ error: 'Named', at: expect.arrayContaining([HERE]) })
  })

  it('holds only the type of a thrown value that is not an Error', () => {
    expect(unexpected('secret')).toEqual({ error: 'string' })
  })
})
