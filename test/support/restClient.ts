import createClient, { type Client } from 'openapi-fetch'
import { type Caller, signToken, type TestGateway } from './gateway.js'
import type { paths } from './generated/rest.js'
import { exchange, type HttpRequest, type RawAnswer } from './httpExchange.js'

/** A client generated from openapi.json, as a web shop would make one. */
export async function restClient({ url }: Pick<TestGateway, 'url'>, caller: Caller): Promise<Client<paths>> {
  const authorization = `Bearer ${await signToken(caller)}`
  return createClient<paths>({ baseUrl: url, headers: { authorization } })
}

/** Sends a JSON text, or nothing, to an address below /api. */
export function sendRest(
  { url }: Pick<TestGateway, 'url'>,
  path: string,
  { headers, ...request }: HttpRequest = {},
): Promise<RawAnswer> {
  const type = request.body === undefined ? {} : { 'content-type': 'application/json' }
  return exchange(`${url}/api${path}`, {
    method: request.body === undefined ? 'GET' : 'POST',
    ...request,
    headers: { ...type, ...headers },
  })
}

/** The answer's body, which must be JSON. */
export function jsonOf<T = Record<string, unknown>>({ text }: RawAnswer): T {
  return JSON.parse(text) as T
}
