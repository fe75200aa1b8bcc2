import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { signToken, startGateway, type TestGateway } from '../support/gateway.js'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway[Symbol.asyncDispose]())

/** Gets a page as a browser does. */
const page = async (path: string) => {
  const pair = Buffer.from(`anyone:${await signToken({ roles: ['ANALYST'] })}`).toString('base64')
  return fetch(`${gateway.url}${path}`, { redirect: 'manual', headers: { authorization: `Basic ${pair}` } })
}

describe('the playground', () => {
  it('is built', () => {
    // `npm test` runs `npm run build` first, which builds it.
    expect(existsSync(new URL('../../dist/web/playground/index.html', import.meta.url))).toBe(true)
  })

  it('is served with a policy that allows requests to this origin only', async () => {
    const response = await page('/playground')
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^text\/html/)
    const policy = response.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'self'")
    expect(policy).toContain("script-src 'self'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval|script-src[^;]*unsafe-inline/)
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
  })

  it('is not cached, because its URL stays while its assets change', async () => {
    expect((await page('/playground')).headers.get('cache-control')).toBe('no-cache')
  })

  it('serves every asset that the page, its styles and its scripts name, all from this origin', async () => {
    const html = await (await page('/playground')).text()
    const waiting = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address ?? '')
    expect(waiting.some(address => address.endsWith('.js'))).toBe(true)
    expect(waiting.some(address => address.endsWith('.css'))).toBe(true)
    const seen = new Set<string>()
    for (let address = waiting.pop(); address !== undefined; address = waiting.pop()) {
      if (seen.has(address) || address.startsWith('data:')) continue
      seen.add(address)
      expect(address).toMatch(/^\/(?!\/)/)
      const response = await page(address)
      expect({ address, status: response.status }).toEqual({ address, status: 200 })
      if (!address.startsWith('/assets/')) continue
      expect(response.headers.get('cache-control')).toContain('immutable')
      const text = await response.text()
      if (address.endsWith('.css')) waiting.push(...[...text.matchAll(/url\(["']?([^"')]+)["']?\)/g)].map(([, url]) => url ?? ''))
      // Chunks and workers are loaded later.
      if (address.endsWith('.js')) {
        waiting.push(
          ...[...text.matchAll(/["'`](?:\.?\/)?(?:assets\/)?([\w.-]+-[\w-]{8}\.(?:js|css))["'`]/g)].map(
            ([, name]) => `/assets/${name}`,
          ),
        )
      }
    }
    expect(seen.size).toBeGreaterThan(2)
  })

  it('is the page to which / redirects', async () => {
    const { status, headers } = await page('/')
    expect({ status, location: headers.get('location') }).toEqual({ status: 302, location: '/playground' })
  })
})
