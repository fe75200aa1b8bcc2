import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Tokens } from '../../src/auth/tokens.js'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { IS_LONG } from '../support/longTests.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const MIB = 1024 * 1024
// Each flood brings more, and each of the stores that it fills may hold 16 MiB.
const MAY_STAY_MIB = 35

/** The memory that stays after the work, in MiB, as is printed with its peak. */
async function staying(what: string, work: (number: number) => Promise<unknown>, times: number): Promise<number> {
  collect()
  const before = process.memoryUsage().heapUsed
  let peak = before
  for (let number = 0; number < times; number++) {
    await work(number)
    if (number % 100 === 0) peak = Math.max(peak, process.memoryUsage().heapUsed)
  }
  collect()
  const after = process.memoryUsage().heapUsed
  const shown = [before, peak, after].map(bytes => Math.round(bytes / MIB)).join(', ')
  process.stdout.write(`${what}, ${times} times: ${shown} MiB of heap before, at the peak, after\n`)
  return (after - before) / MIB
}

describe('the memory of a gateway stays within bounds under a flood of', () => {
  let gateway: TestGateway
  let client: GraphqlClient
  beforeAll(async () => {
    gateway = await startGateway({ RISKGATE_RATE_LIMIT_PRINCIPAL: '0', RISKGATE_RATE_LIMIT_TENANT: '0' })
    client = await gateway.as({ roles: ['SCORER'] })
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  const send = async (query: string, times = 1) => {
    for (let i = 0; i < times; i++) await client.send({ query })
  }

  const floods: [string, number, (number: number) => Promise<unknown>][] = [
    ['documents with long comments', 900, number => send(`{ viewer { id } } # ${number} ${'x'.repeat(60_000)}`)],
    [
      'documents whose fragments write out to many fields',
      300,
      number =>
        send(
          `query Q${number} { viewer { ...A ...B } } fragment A on Viewer { ${'id '.repeat(300)} } fragment B on Viewer { ...A }`,
        ),
    ],
    [
      'documents with long comments that are prepared',
      600,
      number => send(`{ viewer { id } } # ${number} ${'é'.repeat(30_000)}`, 3),
    ],
    ['documents of 990 tokens', 150, number => send(`query Q${number} { viewer { ${'id '.repeat(980)} } }`)],
    ['documents that are not valid', 700, number => send(`{ viewer { unknown${number} } } # ${'x'.repeat(60_000)}`)],
    ['operations that have a name each', 700, number => send(`query Q${number} { viewer { id } } # ${'x'.repeat(60_000)}`, 2)],
  ]
  it.each(IS_LONG ? floods : floods.slice(0, 2))('%s', async (what, times, work) => {
    expect(await staying(what, work, times)).toBeLessThan(MAY_STAY_MIB)
  })

  it('valid tokens as long as a header', async () => {
    const secret = Buffer.alloc(32, 1)
    const tokens = new Tokens({ secret, issuer: 'i', audience: 'a' })
    const work = async (number: number) => {
      const token = await new SignJWT({ roles: ['SCORER'], groups: 'g'.repeat(8_000) })
        .setProtectedHeader({ alg: 'HS256' })
        .setIssuer('i')
        .setAudience('a')
        .setSubject(`client-${number}`)
        .setExpirationTime('1h')
        .sign(secret)
      await tokens.authenticate(token)
    }
    expect(await staying('tokens of 10 KB', work, 5_000)).toBeLessThan(MAY_STAY_MIB)
  })
})
