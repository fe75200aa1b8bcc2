import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Tracer, UNTRACED } from '../../tracer.js'
import { routeOf } from '../requestNames.js'

type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown

/** The handler of a route, as a request of the tracer. Its caller is known by then: nobody else can make us trace. */
export function traced(tracer: Tracer, handler: Handler): Handler {
  if (tracer === UNTRACED) return handler
  return (request, reply) => {
    const { method, headers } = request
    // A header that comes twice is one text that does not have the form of the standard.
    const asked = { method, path: routeOf(request), traceparent: headers.traceparent as string | undefined }
    return tracer.request(asked, async () => {
      request.traceId = tracer.call()?.traceId
      return handler(request, reply)
    })
  }
}
