import type { z } from 'zod'
import { MlflowError } from './mlflowError.js'
import { isJson, type Refusal, refusalOf } from './refusals.js'

// A page of a hundred versions with long tags has some 200 KiB.
const MAX_ANSWER_BYTES = 4 * 1024 * 1024
const MAX_REFUSAL_BYTES = 16 * 1024

export interface MlflowServer {
  /** The tracking URI; it may have a path prefix. */
  readonly url: URL
  readonly token?: string | undefined
  readonly basic?: { readonly user: string; readonly password: string } | undefined
  /** For an answer as a whole, and between two pieces of a download. */
  readonly timeoutMs: number
  /** Ends every call. */
  readonly end?: AbortSignal | undefined
}

export type Parameters = Readonly<Record<string, string>>

/** Calls one MLflow server. It follows no redirect, and repeats no credentials. All methods throw MlflowError. */
export class MlflowHttp {
  readonly #server: MlflowServer
  readonly #authorization: string | undefined
  readonly #secrets: readonly string[]

  constructor(server: MlflowServer) {
    const { token, basic } = server
    const pair = basic && Buffer.from(`${basic.user}:${basic.password}`).toString('base64')
    this.#server = server
    this.#authorization = token !== undefined ? `Bearer ${token}` : pair && `Basic ${pair}`
    this.#secrets = [token, basic?.password, pair].filter(secret => secret !== undefined && secret !== '') as string[]
  }

  get url(): URL {
    return this.#server.url
  }

  get<Schema extends z.ZodType>(path: string, parameters: Parameters, schema: Schema): Promise<z.output<Schema>> {
    return this.#ask(this.#address(path, parameters), {}, schema)
  }

  post<Schema extends z.ZodType>(path: string, body: object, schema: Schema): Promise<z.output<Schema>> {
    const headers = { 'content-type': 'application/json' }
    return this.#ask(this.#address(path, {}), { method: 'POST', headers, body: JSON.stringify(body) }, schema)
  }

  /** Hands a file on, piece by piece. A server that sends nothing for the timeout ends it, and so does `end`. */
  async *download(path: string, end: AbortSignal): AsyncGenerator<Uint8Array> {
    const deadline = new Deadline(this.#server.timeoutMs, [end, this.#server.end])
    try {
      const { body } = await this.#send(this.#address(path, {}), {}, deadline)
      for await (const chunk of body ?? []) {
        deadline.restart()
        yield chunk
      }
    } catch (error) {
      throw this.#failure(error, deadline)
    } finally {
      deadline.clear()
    }
  }

  async #ask<Schema extends z.ZodType>(address: URL, init: RequestInit, schema: Schema): Promise<z.output<Schema>> {
    const deadline = new Deadline(this.#server.timeoutMs, [this.#server.end])
    try {
      const response = await this.#send(address, init, deadline)
      const contentType = response.headers.get('content-type') ?? ''
      const text = await textOf(response, MAX_ANSWER_BYTES)
      if (!isJson(contentType)) throw this.#isNoJson(contentType)
      return parsed(text, schema)
    } catch (error) {
      throw this.#failure(error, deadline)
    } finally {
      deadline.clear()
    }
  }

  async #send(address: URL, init: RequestInit, { signal }: Deadline): Promise<Response> {
    const headers = new Headers(init.headers)
    // A small answer that is packed may be a large one.
    headers.set('accept-encoding', 'identity')
    if (this.#authorization !== undefined) headers.set('authorization', this.#authorization)
    const response = await fetch(address, { ...init, headers, redirect: 'manual', signal })
    if (response.status === 200) return response
    const refusal: Refusal = {
      status: response.status,
      contentType: response.headers.get('content-type') ?? '',
      location: response.headers.get('location'),
      text: await textOf(response, MAX_REFUSAL_BYTES),
    }
    throw refusalOf(refusal, this.#server.url, this.#secrets)
  }

  #address(path: string, parameters: Parameters): URL {
    const { url } = this.#server
    const address = new URL(`${url.pathname.replace(/\/+$/, '')}${path}`, url)
    address.search = new URLSearchParams(parameters).toString()
    return address
  }

  #isNoJson(contentType: string): MlflowError {
    const form = /html/i.test(contentType) ? 'a web page' : 'no JSON'
    return new MlflowError(
      'BAD_ANSWER',
      `${this.#server.url.host} answers with ${form} in place of JSON. Something else may answer there, such as a login page of a proxy.`,
    )
  }

  #failure(error: unknown, { isLate }: Deadline): MlflowError {
    if (error instanceof MlflowError) return error
    const { host } = this.#server.url
    if (isLate) {
      return new MlflowError('UNREACHABLE', `MLflow at ${host} did not answer within ${this.#server.timeoutMs / 1_000} s.`)
    }
    return new MlflowError('UNREACHABLE', `MLflow at ${host} cannot be reached (${codeOf(error)}).`)
  }
}

/** Aborts a call that takes too long, or whose caller ends it. */
class Deadline {
  readonly #controller = new AbortController()
  readonly #timeoutMs: number
  readonly #outer: readonly AbortSignal[]
  readonly #giveUp = () => this.#controller.abort()
  #timer: NodeJS.Timeout
  isLate = false

  constructor(timeoutMs: number, outer: readonly (AbortSignal | undefined)[]) {
    this.#timeoutMs = timeoutMs
    this.#outer = outer.filter(signal => signal !== undefined)
    this.#timer = this.#start()
    for (const signal of this.#outer) {
      signal.addEventListener('abort', this.#giveUp)
      if (signal.aborted) this.#giveUp()
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  restart(): void {
    clearTimeout(this.#timer)
    this.#timer = this.#start()
  }

  clear(): void {
    clearTimeout(this.#timer)
    for (const signal of this.#outer) signal.removeEventListener('abort', this.#giveUp)
  }

  #start(): NodeJS.Timeout {
    return setTimeout(() => {
      this.isLate = true
      this.#giveUp()
    }, this.#timeoutMs)
  }
}

async function textOf({ body }: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.length
    // Leaving the loop ends the connection.
    if (bytes > maxBytes) throw new MlflowError('TOO_LARGE', `MLflow answers with more than ${maxBytes} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parsed<Schema extends z.ZodType>(text: string, schema: Schema): z.output<Schema> {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new MlflowError('BAD_ANSWER', 'The answer of MLflow is not JSON.')
  }
  const { data, error } = schema.safeParse(json)
  if (!error) return data as z.output<Schema>
  const places = error.issues.slice(0, 3).map(({ path }) => path.join('.') || 'all of it')
  throw new MlflowError('BAD_ANSWER', `The answer of MLflow does not have the form of its API (${places.join(', ')}).`)
}

function codeOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: unknown } }
  return typeof cause?.code === 'string' ? cause.code : 'the connection ended'
}
