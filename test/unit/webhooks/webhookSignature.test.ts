import { readFileSync } from 'node:fs'
import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import { newWebhookSecret, signWebhook } from '../../../src/webhooks/webhookSignature.js'

const BODY = '{"type":"highRisk.scored","name":"Zoë"}'

function headersOf(secrets: readonly string[], at = new Date()): Record<string, string> {
  return { ...signWebhook('alert-1', at, BODY, secrets) }
}

describe('the signature of a webhook', () => {
  it('is one that the library of Standard Webhooks accepts', () => {
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
  ])('does not hold for %s', (_what, change) => {
    const secret = newWebhookSecret()
    const [headers, body] = change(headersOf([secret]))
    expect(() => new Webhook(secret).verify(body, headers)).toThrow('No matching signature')
  })

  it('does not hold for another secret', () => {
    expect(() => new Webhook(newWebhookSecret()).verify(BODY, headersOf([newWebhookSecret()]))).toThrow()
  })

  it('is too old for a call that is sent again after a while', () => {
    const secret = newWebhookSecret()
    const headers = headersOf([secret], new Date(Date.now() - 6 * 60_000))
    expect(() => new Webhook(secret).verify(BODY, headers)).toThrow('too old')
  })

  it('holds for the new secret and for the one before while both sign', () => {
    const [secret, previous] = [newWebhookSecret(), newWebhookSecret()]
    const headers = headersOf([secret, previous])
    expect(headers['webhook-signature']?.split(' ')).toHaveLength(2)
    for (const known of [secret, previous]) expect(new Webhook(known).verify(BODY, headers)).toBeTruthy()
  })
})

describe('the receiver in the guide', () => {
  it('tells a genuine call from a forged one and from one that is too old', async () => {
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
  it('is 32 random bytes in base64 behind whsec_', () => {
    const secrets = Array.from({ length: 20 }, newWebhookSecret)
    expect(new Set(secrets).size).toBe(20)
    for (const secret of secrets) {
      expect(secret).toMatch(/^whsec_/)
      expect(Buffer.from(secret.slice(6), 'base64')).toHaveLength(32)
    }
  })
})
