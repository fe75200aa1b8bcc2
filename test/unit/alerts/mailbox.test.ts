import { describe, expect, it } from 'vitest'
import { Mailbox } from '../../../src/alerts/mailbox.js'
import type { HighRiskAlert } from '../../../src/scoring/prediction.js'
import { MemoryAlertLog } from '../support/memoryAlertLog.js'

function alertsOf(count: number): HighRiskAlert[] {
  const log = new MemoryAlertLog()
  return Array.from({ length: count }, () => log.append())
}

async function drained(mailbox: Mailbox): Promise<HighRiskAlert[]> {
  const taken: HighRiskAlert[] = []
  for await (const alert of mailbox) taken.push(alert)
  return taken
}

describe('a mailbox', () => {
  it('gives the alerts put in before and during the reading, in order, until it is closed', async () => {
    const mailbox = new Mailbox('0', 10)
    const [first, second, third] = alertsOf(3) as [HighRiskAlert, HighRiskAlert, HighRiskAlert]
    mailbox.put(first)
    const reader = mailbox[Symbol.asyncIterator]()
    expect(await reader.next()).toEqual({ done: false, value: first })
    const waiting = reader.next()
    mailbox.put(second)
    mailbox.put(third)
    expect(await waiting).toEqual({ done: false, value: second })
    mailbox.close()
    expect(await reader.next()).toEqual({ done: false, value: third })
    expect(await reader.next()).toEqual({ done: true, value: undefined })
  })

  it('wakes a waiting reader when it is closed', async () => {
    const mailbox = new Mailbox('0', 10)
    const waiting = mailbox[Symbol.asyncIterator]().next()
    mailbox.close()
    expect(await waiting).toEqual({ done: true, value: undefined })
  })

  it('closes when it is full: gives the alerts it holds, then ends, and takes no more', async () => {
    const alerts = alertsOf(5)
    const mailbox = new Mailbox('0', 3)
    for (const alert of alerts) mailbox.put(alert)
    expect(await drained(mailbox)).toEqual(alerts.slice(0, 3))
    expect(await drained(mailbox)).toEqual([])
  })

  it('counts only alerts that are not yet taken towards its size', async () => {
    const alerts = alertsOf(6)
    const mailbox = new Mailbox('0', 3)
    const reader = mailbox[Symbol.asyncIterator]()
    for (const alert of alerts) {
      mailbox.put(alert)
      expect(await reader.next()).toEqual({ done: false, value: alert })
    }
  })

  it('takes no alert once it is closed, and may be closed twice', async () => {
    const mailbox = new Mailbox('0', 3)
    mailbox.close()
    mailbox.close()
    for (const alert of alertsOf(1)) mailbox.put(alert)
    expect(await drained(mailbox)).toEqual([])
  })
})
