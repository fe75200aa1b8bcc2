import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'

export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** The alert's id. */
  readonly id: string
  readonly at: number
}

/** How a call is answered: with a status, or by a function that may do anything. */
export type Answer = number | ((call: Received, response: ServerResponse) => void)

export interface Receiver extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly calls: Received[]
  /** How calls are answered from now on; at first with 204. */
  answer: Answer
  /** Waits until `count` calls have come since the start. */
  received(count: number): Promise<readonly Received[]>
}

/** Starts an endpoint for webhooks: a real HTTP server. */
export async function startReceiver(answer: Answer = 204): Promise<Receiver> {
  const waiting = new Set<() => void>()
  const server: Server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', text => {
      body += text
    })
    request.on('end', () => {
      const { url: path = '', headers } = request
      const call = { path, headers, body, id: String(headers['webhook-id']), at: performance.now() }
      receiver.calls.push(call)
      if (typeof receiver.answer === 'number') response.writeHead(receiver.answer).end()
      else receiver.answer(call, response)
      for (const look of waiting) look()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const receiver: Receiver = {
    url: `http://127.0.0.1:${port}/alerts`,
    port,
    calls: [],
    answer,
    received: count =>
      new Promise(resolve => {
        const look = () => {
          if (receiver.calls.length < count) return
          waiting.delete(look)
          resolve(receiver.calls)
        }
        waiting.add(look)
        look()
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return receiver
}

/** The body of a call; throws unless its signature is valid under the secret. */
export function verified({ body, headers }: Received, secret: string): Record<string, unknown> {
  return new Webhook(secret).verify(body, headers as Record<string, string>) as Record<string, unknown>
}
