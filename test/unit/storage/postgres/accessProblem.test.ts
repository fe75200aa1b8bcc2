import { expect, it } from 'vitest'
import { accessProblem } from '../../../../src/storage/postgres/accessProblem.js'
import { addressOf } from '../../../../src/storage/postgres/driver.js'

const CODES = [
  '3D000',
  '28P01',
  '28000',
  '42704',
  '22023',
  '57P03',
  '25006',
  '08P01',
  'ECONNREFUSED',
  'CERT_HAS_EXPIRED',
  'XX000',
]

it.each(CODES)('the sentence for %s repeats nothing of the URL but its hosts', async code => {
  const address = addressOf('postgres://canary-user:canary-word@127.0.0.1:1/canary-name?options=-c%20canary.x%3Dy')
  const sentence = await accessProblem(address, { code, refusedParameter: undefined, isStatementMode: false })
  expect(sentence).toContain('127.0.0.1:1')
  expect(sentence).not.toContain('canary')
})
