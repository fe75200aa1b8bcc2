import { getEventListeners, once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { NoAnswerError, postWebhook, type WebhookRequestOptions } from '../../../src/webhooks/webhookRequest.js'
import { startReceiver } from '../../support/receiver.js'
import { freePort } from '../../support/redis.js'

const LOCAL = { mayBePrivate: true }
const CANARY = 'canary-7f3a9'

async function post(url: string, options: WebhookRequestOptions = LOCAL, signal = new AbortController().signal): Promise<number> {
  const call = { url, headers: { 'webhook-id': 'alert-1' }, body: '{"a":"ä"}', now: Date.now(), signal }
  return (await postWebhook(call, options)).status
}

/** The message for a call that got no answer; it must not reveal the address. */
async function refusal(url: string, options?: WebhookRequestOptions): Promise<string> {
  const error = await post(url, options).then(
    status => new Error(`answered with ${status}`),
    (error: Error) => error,
  )
  expect(error).toBeInstanceOf(NoAnswerError)
  expect(error.message).not.toContain(CANARY)
  expect(error.message).not.toContain(new URL(url).hostname)
  return error.message
}

describe('a call to an endpoint', () => {
  it('posts the body with its headers, and returns the status', async () => {
    await using receiver = await startReceiver(202)
    expect(await post(`${receiver.url}?token=${CANARY}`)).toBe(202)
    const [call] = receiver.calls
    expect(call).toMatchObject({ path: `/alerts?token=${CANARY}`, body: '{"a":"ä"}', id: 'alert-1' })
    expect(call?.headers['content-length']).toBe('10')
  })

  it('does not follow a redirect', async () => {
    await using elsewhere = await startReceiver()
    await using receiver = await startReceiver((_call, response) => response.writeHead(307, { location: elsewhere.url }).end())
    expect(await post(receiver.url)).toBe(307)
    expect(elsewhere.calls).toEqual([])
  })

  it('stops reading an endless answer', async () => {
    const sent = { bytes: 0 }
    await using receiver = await startReceiver((_call, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(8_192))) sent.bytes += 8_192
      }
      response.writeHead(200).on('drain', more)
      more()
    })
    expect(await post(receiver.url)).toBe(200)
    expect(sent.bytes).toBeLessThan(16 * 1024 * 1024)
  })

  it('counts as answered once the status has come, even if the rest breaks off', async () => {
    await using receiver = await startReceiver((_call, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half')
      setImmediate(() => response.destroy())
    })
    expect(await post(receiver.url)).toBe(200)
  })

  it.each([
    ['never answers', () => undefined],
    ['sends half a header', (socket: { write(text: string): unknown }) => socket.write('HTTP/1.1 200 OK\r\nx-slow:')],
  ])('ends at its deadline when the endpoint %s', async (_what, behave) => {
    const server = createServer(socket => void behave(socket.on('error', () => {}))).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    expect(await refusal(`http://127.0.0.1:${port}/${CANARY}`, { ...LOCAL, timeoutMs: 200 })).toBe(
      'The endpoint did not answer within 0.2 s.',
    )
    server.close()
  })

  it('reports a refused connection, and a broken one', async () => {
    expect(await refusal(`http://127.0.0.1:${await freePort()}/${CANARY}`)).toBe('The endpoint refused the connection.')
    const server = createServer(socket => socket.once('data', () => socket.resetAndDestroy())).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    expect(await refusal(`http://127.0.0.1:${port}/${CANARY}`)).toBe('The endpoint closed the connection before it answered.')
    server.close()
  })

  it('is refused if the name leads to this machine', async () => {
    await using receiver = await startReceiver()
    const resolve = async () => [{ address: '127.0.0.1', family: 4 }]
    const url = `https://${CANARY}.example:${receiver.port}/`
    expect(await refusal(url, { mayBePrivate: false, resolve })).toBe("The endpoint's name does not lead to a public address.")
    expect(receiver.calls).toEqual([])
  })

  it('is refused when the name leads to the metadata of a cloud at the next call, although private networks are allowed', async () => {
    await using receiver = await startReceiver()
    const answers = ['127.0.0.1', '169.254.169.254', '127.0.0.1']
    const resolve = async () => [{ address: answers.shift() ?? '', family: 4 }]
    const rules = { mayBePrivate: false, privateNetworks: ['127.0.0.0/8'], resolve }
    const url = `http://${CANARY}.example:${receiver.port}/`
    expect(await post(url, rules)).toBe(204)
    expect(await refusal(url, rules)).toBe(
      "The endpoint's name leads to a link-local address or to the metadata of a cloud, which are never called.",
    )
    expect(await post(url, rules)).toBe(204)
    expect(receiver.calls).toHaveLength(2)
  })

  it('connects to the address that was checked, and does not look up the name again', async () => {
    await using receiver = await startReceiver()
    let lookups = 0
    const resolve = async () => {
      lookups++
      return [{ address: '127.0.0.1', family: 4 }]
    }
    expect(await post(`http://${CANARY}.example:${receiver.port}/`, { mayBePrivate: true, resolve })).toBe(204)
    expect(lookups).toBe(1)
  })

  it('is refused if its address was forbidden after the webhook was created', async () => {
    await using receiver = await startReceiver()
    expect(await refusal(receiver.url, { mayBePrivate: false })).toBe('The URL must begin with https://.')
    expect(await refusal(`https://127.0.0.1:${receiver.port}/`, { mayBePrivate: false })).toBe(
      'The URL must lead to a public address.',
    )
    expect(receiver.calls).toEqual([])
  })

  it('can be aborted', async () => {
    await using receiver = await startReceiver(() => undefined)
    const giveUp = new AbortController()
    const answer = post(receiver.url, LOCAL, giveUp.signal)
    await receiver.received(1)
    giveUp.abort()
    await expect(answer).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('leaves nothing behind on its abort signal', async () => {
    await using receiver = await startReceiver()
    const { signal } = new AbortController()
    // Node keeps the dependants of a signal in these own keys.
    const state = () => Reflect.ownKeys(signal).map(String)
    const before = state()
    await post(receiver.url, LOCAL, signal)
    await refusal(`http://127.0.0.1:${await freePort()}/`)
    expect(getEventListeners(signal, 'abort')).toEqual([])
    expect(state().filter(key => !before.includes(key) && /Dependant|Source/.test(key))).toEqual([])
  })
})
