import { describe, expect, it } from 'vitest'
import { createWebhook, type NewWebhook } from '../../../src/webhooks/createWebhook.js'

const ACTOR = { tenant: 'default', principal: 'desk' }

describe('the address of a new webhook', () => {
  it.each([
    ['HTTPS://Example.COM', 'https://example.com/'],
    ['https://bücher.example/straße?q=ä', 'https://xn--bcher-kva.example/stra%C3%9Fe?q=%C3%A4'],
    ['https://example.com:443/a/../b', 'https://example.com/b'],
    ['https://8.8.8.8.:8443/ x', 'https://8.8.8.8:8443/%20x'],
  ])('is kept as it is called: %s', async (url, expected) => {
    const kept: NewWebhook[] = []
    const shelf = { create: async (_actor: unknown, webhook: NewWebhook) => kept[kept.push(webhook) - 1] }
    await createWebhook(shelf, ACTOR, { url }, { mayBePrivate: false })
    expect(kept).toMatchObject([{ url: expected }])
  })
})
