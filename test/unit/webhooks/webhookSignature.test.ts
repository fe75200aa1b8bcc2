import { readFileSync } from 'node:fs'
import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import { newWebhookSecret, signWebhook } from '../../../src/webhooks/webhookSignature.js'

const BODY = '{"type":"highRisk.scored","name":"Zoë"}'

function headersOf(secrets: readonly string[], at = new Date()): Record<string, string> {
  return { ...signWebhook('alert-1', at, BODY, secrets) }
}

describe('the signature of a webhook', () => {
  it('is accepted by the library of Standard Webhooks', () => {
    const secret = newWebhookSecret()
    expect(new Webhook(secret).verify(BODY, headersOf([secret]))).toEqual(JSON.parse(BODY))
  })

  it.each([
    ['another body', (headers: Record<string, string>) => [headers, `${BODY} `] as const],
    ['another id', (headers: Record<string, string>) => [{ ...headers, 'webhook-id': 'alert-2' }, BODY] as const],
    [
      'another time',
      (headers: Record<string, string>) =>
        [{ ...headers, 'webhook-timestamp': String(Number(headers['webhook-timestamp']) - 1) }, BODY] as const,
    ],
  ])('is not valid for %s', (_what, change) => {
    const secret = newWebhookSecret()
    const [headers, body] = change(headersOf([secret]))
    expect(() => new Webhook(secret).verify(body, headers)).toThrow('No matching signature')
  })

  it('is not valid under another secret', () => {
    expect(() => new Webhook(newWebhookSecret()).verify(BODY, headersOf([newWebhookSecret()]))).toThrow()
  })

  it('is refused as too old when an old call is replayed', () => {
    const secret = newWebhookSecret()
    const headers = headersOf([secret], new Date(Date.now() - 6 * 60_000))
    expect(() => new Webhook(secret).verify(BODY, headers)).toThrow('too old')
  })

  it('is valid under the new and the previous secret while both sign', () => {
    const [secret, previous] = [newWebhookSecret(), newWebhookSecret()]
    const headers = headersOf([secret, previous])
    expect(headers['webhook-signature']?.split(' ')).toHaveLength(2)
    for (const known of [secret, previous]) expect(new Webhook(known).verify(BODY, headers)).toBeTruthy()
  })
})

describe('the receiver in the guide', () => {
  it('accepts a genuine call, and refuses a forged one and one that is too old', async () => {
    const guide = readFileSync(new URL('../../../docs/alerts.md', import.meta.url), 'utf8')
    const [, code = ''] = /```js\n(.*?isGenuine.*?)```/s.exec(guide) ?? []
    const source = `data:text/javascript,${encodeURIComponent(`${code}\nexport { isGenuine }`)}`
    const { isGenuine } = (await import(/* @vite-ignore */ source)) as { isGenuine(...call: unknown[]): boolean }
    const [secret, previous] = [newWebhookSecret(), newWebhookSecret()]
    const headers = headersOf([secret, previous])
    expect(isGenuine(headers, BODY, secret)).toBe(true)
    expect(isGenuine(headers, BODY, previous)).toBe(true)
    expect(isGenuine(headers, BODY, newWebhookSecret())).toBe(false)
    expect(isGenuine(headers, `${BODY} `, secret)).toBe(false)
    expect(isGenuine(headersOf([secret], new Date(Date.now() - 6 * 60_000)), BODY, secret)).toBe(false)
  })
})

describe('a webhook secret', () => {
  it('is `whsec_` and 32 random bytes in base64', () => {
    const secrets = Array.from({ length: 20 }, newWebhookSecret)
    expect(new Set(secrets).size).toBe(20)
    for (const secret of secrets) {
      expect(secret).toMatch(/^whsec_/)
      expect(Buffer.from(secret.slice(6), 'base64')).toHaveLength(32)
    }
  })
})
