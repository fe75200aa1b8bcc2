import { describe, expect, it } from 'vitest'
import { unexpected } from '../../../src/observability/logger.js'

const FORGED = 'secret\n    at secret (secret.js:1:1)'
const HERE = expect.stringContaining('logger.test.ts')

describe('what is said of an unexpected error', () => {
  it('is its name, its code and where it came from', () => {
    const error = Object.assign(new TypeError('secret'), { code: 'E_KIND' })
    expect(unexpected(error)).toMatchObject({ error: 'TypeError', code: 'E_KIND', at: expect.arrayContaining([HERE]) })
    expect(JSON.stringify(unexpected(error))).not.toContain('secret')
  })

  it('holds no line of a message that looks like a frame', () => {
    for (const error of [new Error(FORGED), new Error(`${FORGED}\n`), new Error(`\n${FORGED}`)]) {
      expect(unexpected(error)).toMatchObject({ at: expect.arrayContaining([HERE]) })
      expect(JSON.stringify(unexpected(error))).not.toContain('secret')
    }
  })

  it('holds no line of a message that was changed later', () => {
    for (const message of ['', 'other', 'secret']) {
      const error = new Error(`first ${FORGED}`)
      error.message = message
      expect(JSON.stringify(unexpected(error))).not.toContain('secret')
    }
  })

  it('has the frames also where there is no message, or a name given later', () => {
    expect(unexpected(new Error())).toMatchObject({ at: expect.arrayContaining([HERE]) })
    const named = new Error(FORGED)
    named.name = 'Named'
    expect(unexpected(named)).toMatchObject({ error: 'Named', at: expect.arrayContaining([HERE]) })
  })

  it('is no more than its type where it is no error', () => {
    expect(unexpected('secret')).toEqual({ error: 'string' })
  })
})
