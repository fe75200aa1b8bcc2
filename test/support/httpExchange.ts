import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'

/** An answer as it came over the wire, whatever it is. */
export interface RawAnswer {
  readonly status: number
  readonly text: string
  readonly headers: Headers
}

export interface HttpRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

// Connections are kept, as browsers and services do.
const agent = new Agent({ keepAlive: true })

/** One request and its answer. `fetch` would take four times as long, which thousands of requests feel. */
export async function exchange(url: string, { method = 'GET', headers = {}, body }: HttpRequest): Promise<RawAnswer> {
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
  const sent = request(url, { method, agent, headers: { accept: '*/*', ...headers, ...length } })
  sent.end(body)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return { status: response.statusCode ?? 0, text: await text(response), headers: headersOf(response) }
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers()
  for (let i = 0; i < rawHeaders.length; i += 2) headers.append(rawHeaders[i] as string, rawHeaders[i + 1] as string)
  return headers
}
