import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { text } from 'node:stream/consumers'

export interface SecureAnswer {
  readonly status: number
  readonly text: string
  readonly headers: IncomingMessage['headers']
  /** The names of its headers as they came, also repeated ones. */
  readonly headerNames: readonly string[]
}

/** A client that trusts one certificate and keeps its connections, as browsers and services do. It sends nothing a second time. */
export class SecureClient {
  readonly #url: string
  readonly #agent: Agent
  readonly #headers: Readonly<Record<string, string>>

  constructor(url: string, ca: string, token?: string) {
    this.#url = url
    this.#agent = new Agent({ keepAlive: true, ca })
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  }

  /** GET, or POST where there is a body. */
  async call(path: string, body?: string, headers: Readonly<Record<string, string>> = {}): Promise<SecureAnswer> {
    const form = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const sent = request(`${this.#url}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      agent: this.#agent,
      headers: { accept: '*/*', ...this.#headers, ...form, ...headers },
    })
    sent.end(body)
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    const headerNames = response.rawHeaders.filter((_, i) => i % 2 === 0).map(name => name.toLowerCase())
    return { status: response.statusCode ?? 0, text: await text(response), headers: response.headers, headerNames }
  }

  close(): void {
    this.#agent.destroy()
  }
}
