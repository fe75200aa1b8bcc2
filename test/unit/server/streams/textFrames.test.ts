import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { textFrames } from '../../../../src/server/streams/textFrames.js'

it('texts of every length encoding arrive unchanged and in order, each as its own message', async () => {
  const texts = [0, 1, 125, 126, 65_535, 65_536, 200_000, 3].map(length => 'x'.repeat(length))
  texts.push('ñ'.repeat(63), 'ñ'.repeat(32_768), '€😀"\n')
  const server = new WebSocketServer({ port: 0 })
  await once(server, 'listening')
  server.on('connection', (_socket, request) => request.socket.write(textFrames(texts)))
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const received: string[] = []
  await new Promise<void>((resolve, reject) => {
    client.on('error', reject)
    client.on('message', (text, isBinary) => {
      received.push(isBinary ? 'binary' : String(text))
      if (received.length === texts.length) resolve()
    })
  })
  expect(received).toEqual(texts)
  client.terminate()
  server.close()
  await once(server, 'close')
})
