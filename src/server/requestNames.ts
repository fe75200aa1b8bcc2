import type { FastifyRequest } from 'fastify'
import { parseTraceParent } from '../tracer.js'

/** What logs and traces call a request. */
export interface RequestNames {
  readonly requestId: string
  readonly method: string
  /** The address as the route has it, such as /api/predictions/{id}: a caller's own address may hold personal data. */
  readonly path: string | undefined
  /** The trace that the request belongs to, of ours or of its caller. */
  readonly traceId: string | undefined
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set while the request is traced. */
    traceId: string | undefined
  }
}

export function namesOf(request: FastifyRequest): RequestNames {
  const { id: requestId, method, traceId, headers } = request
  return { requestId, method, path: routeOf(request), traceId: traceId ?? traceOfCaller(headers.traceparent) }
}

function traceOfCaller(header: unknown): string | undefined {
  return header === undefined ? undefined : parseTraceParent(header)?.traceId
}

export function routeOf({ routeOptions: { url } }: FastifyRequest): string | undefined {
  return url?.includes(':') ? url.replace(/:(\w+)/g, '{$1}') : url
}
