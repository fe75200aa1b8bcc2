import { expect, it } from 'vitest'
import { HIGH_RISK } from '../support/applicants.js'
import { startGateway } from '../support/gateway.js'
import { CreateWebhookDocument } from '../support/generated/operations.js'
import { present } from '../support/process.js'
import { startReceiver } from '../support/receiver.js'
import { score } from '../support/stored.js'

const SETTINGS = { RISKGATE_WEBHOOK_ALLOW_PRIVATE: 'true' }
const WEBHOOKS = 20
const ALERTS = 20

it('a healthy webhook gets its alerts before one of the hanging calls of another tenant ends', async () => {
  let ended = 0
  await using hanging = await startReceiver((_call, response) => response.on('close', () => ended++))
  await using healthy = await startReceiver()
  await using gateway = await startGateway(SETTINGS)
  const noisy = await gateway.as({ roles: ['ADMIN'], tenant: 'noisy' })
  const quiet = await gateway.as({ roles: ['ADMIN'], tenant: 'quiet' })
  for (let i = 0; i < WEBHOOKS; i++) await noisy.data(CreateWebhookDocument, { input: { url: hanging.url } })
  await quiet.data(CreateWebhookDocument, { input: { url: healthy.url } })
  for (let i = 0; i < ALERTS; i++) await score(noisy, 'a', HIGH_RISK)
  await hanging.received(100)
  const delays: number[] = []
  for (let i = 0; i < ALERTS; i++) {
    const begun = performance.now()
    await score(quiet, 'a', HIGH_RISK)
    const calls = await healthy.received(i + 1)
    delays.push(present(calls[i]).at - begun)
  }
  const sorted = delays.toSorted((one, other) => one - other).map(Math.round)
  process.stdout.write(`Alerts of a healthy webhook beside ${hanging.calls.length} hanging calls took ${sorted.join(', ')} ms.\n`)
  expect(ended).toBe(0)
}, 60_000)
