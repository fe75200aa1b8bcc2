import { once } from 'node:events'
import { createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { EventStream } from '../../../../src/server/streams/eventStream.js'
import { WriteRounds } from '../../../../src/server/streams/writeRounds.js'

const server = createServer()
let stream: EventStream
let response: IncomingMessage
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.once('request', (_request, answer) => {
    stream = new EventStream({ response: answer, headers: { 'x-request-id': 'r-1' }, rounds: new WriteRounds() })
  })
  const [answer] = await once(get({ port: (server.address() as AddressInfo).port }), 'response')
  response = (answer as IncomingMessage).setEncoding('utf8')
})
afterEach(async () => {
  vi.useRealTimers()
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
})

const nextPiece = async () => (await once(response, 'data'))[0]

it('a silent event stream sends a sign of life every 12 seconds', async () => {
  expect(response.headers['x-request-id']).toBe('r-1')
  expect(await nextPiece()).toBe(':\n\n')
  vi.advanceTimersByTime(11_999)
  stream.push('{"data":1}')
  expect(await nextPiece()).toBe('event: next\ndata: {"data":1}\n\n')
  vi.advanceTimersByTime(1)
  expect(await nextPiece()).toBe(':\n\n')
  vi.advanceTimersByTime(12_000)
  expect(await nextPiece()).toBe(':\n\n')
})

it('an event stream that is cut breaks off after the events that it has sent', async () => {
  const pieces: string[] = []
  response.on('data', piece => pieces.push(piece))
  stream.push('{"data":1}')
  stream.cut()
  const [error] = await once(response, 'error')
  expect(error).toMatchObject({ code: 'ECONNRESET' })
  expect(pieces.join('')).toBe(':\n\nevent: next\ndata: {"data":1}\n\n')
  await stream.closed
  expect(vi.getTimerCount()).toBe(0)
  stream.complete()
})

it('an event stream that completes sends its errors, and accepts no further events', async () => {
  stream.complete([{ message: 'No.' }])
  stream.push('{"data":1}')
  stream.complete()
  let text = ''
  for await (const piece of response) text += piece
  expect(text).toBe(':\n\nevent: next\ndata: {"errors":[{"message":"No."}]}\n\nevent: complete\ndata:\n\n')
})

it('an event stream whose client has left before it begins is closed at once', async () => {
  await nextPiece()
  server.once('request', async (_request, answer) => {
    await once(answer, 'close')
    stream = new EventStream({ response: answer, headers: {}, rounds: new WriteRounds() })
  })
  const request = get({ port: (server.address() as AddressInfo).port }).on('error', () => {})
  const [, answer] = await once(server, 'request')
  request.destroy()
  await once(answer, 'close')
  await stream.closed
  expect(vi.getTimerCount()).toBe(1)
})
