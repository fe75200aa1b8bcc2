import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.js'
import { type ObserveRefusal, refuse } from './requests.js'

const NOTHING_HERE = 'There is nothing at this address. Use /graphql, /graphql/stream, or an address of /api/docs.'

/**
 * Answers requests that no route takes: 405 where other methods have one, else 404. To be called before the routes are added, and after
 * the hooks that every answer needs.
 */
export function answerUnknownAddresses(server: FastifyInstance, refused: ObserveRefusal): void {
  const methodsOf = methodsByAddress(server)
  const answer = ({ method, url }: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const methods = methodsOf(url.split('?', 1)[0] ?? '')
    // A route of many addresses may have looked in vain itself.
    if (methods.length === 0 || methods.includes(method)) return refuse(reply, new AppError('NOT_FOUND', NOTHING_HERE), refused)
    const allow = methods.join(', ')
    reply.header('allow', allow)
    return refuse(reply, new AppError('BAD_REQUEST', `Use another method at this address: ${allow}.`), refused, 405)
  }
  server.setNotFoundHandler(answer)
  // Before the body is read: only an address that exists says which types of bodies it takes.
  server.addHook('onRequest', (request, reply, done) => {
    if (request.is404) answer(request, reply)
    else done()
  })
}

/** Knows the methods of the routes that are added from now on. */
function methodsByAddress(server: FastifyInstance): (address: string) => readonly string[] {
  const routes: { readonly url: string; readonly methods: readonly string[] }[] = []
  server.addHook('onRoute', ({ url, method }) => void routes.push({ url, methods: [method].flat() }))
  const leadsTo = (url: string, address: string) =>
    url.endsWith('*') ? address.startsWith(url.slice(0, -1)) : url === address || isOfPattern(url, address)
  return address => [...new Set(routes.filter(({ url }) => leadsTo(url, address)).flatMap(({ methods }) => methods))].sort()
}

/** Whether an address fits a route with parameters, such as /api/models/:name. */
function isOfPattern(url: string, address: string): boolean {
  const [pattern, given] = [url.split('/'), address.split('/')]
  return (
    pattern.length === given.length && pattern.every((part, i) => (part.startsWith(':') ? given[i] !== '' : part === given[i]))
  )
}
