import { describe, expect, it } from 'vitest'
import { Withdrawals } from '../../../src/auth/withdrawals.js'

const settled = () => new Promise(resolve => setImmediate(resolve))

describe('a withdrawn credential', () => {
  it('calls back its own watchers, once each, and no others', async () => {
    const withdrawals = new Withdrawals()
    const ended: string[] = []
    for (const credential of ['one', 'one', 'two']) withdrawals.watch(credential, () => ended.push(credential))
    const callOff = withdrawals.watch('one', () => ended.push('called off'))
    callOff()
    withdrawals.withdraw('one')
    withdrawals.withdraw('one')
    await settled()
    expect(ended).toEqual(['one', 'one'])
  })

  it('also calls back a watcher that comes just after the withdrawal', async () => {
    const withdrawals = new Withdrawals()
    const ended: string[] = []
    withdrawals.withdraw('one')
    withdrawals.watch('one', () => ended.push('late'))
    withdrawals.watch('one', () => ended.push('called off'))()
    withdrawals.watch('two', () => ended.push('another'))
    expect(ended).toEqual([])
    await settled()
    expect(ended).toEqual(['late'])
  })

  it('is valid again once it is reinstated', async () => {
    const withdrawals = new Withdrawals()
    const ended: string[] = []
    withdrawals.withdraw('one')
    withdrawals.reinstate('one')
    withdrawals.watch('one', () => ended.push('one'))
    await settled()
    expect(ended).toEqual([])
    withdrawals.withdraw('one')
    expect(ended).toEqual(['one'])
  })
})
