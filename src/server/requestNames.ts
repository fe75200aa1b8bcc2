import type { FastifyRequest } from 'fastify'

/** What logs and traces call a request. */
export interface RequestNames {
  readonly requestId: string
  readonly method: string
  /** The address as the route has it, such as /api/predictions/{id}: a caller's own address may hold personal data. */
  readonly path: string | undefined
  /** The trace that the request belongs to, of ours or of its caller. */
  readonly traceId: string | undefined
}

// Version 00 of W3C Trace Context; a trace or parent of zeros is none.
const TRACE_PARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

declare module 'fastify' {
  interface FastifyRequest {
    /** Set while the request is traced. */
    traceId: string | undefined
  }
}

export function namesOf({ id, method, routeOptions, traceId, headers }: FastifyRequest): RequestNames {
  return {
    requestId: id,
    method,
    path: routeOptions.url?.replace(/:(\w+)/g, '{$1}'),
    traceId: traceId ?? traceIdOf(headers.traceparent),
  }
}

/** The trace of a `traceparent` header; undefined where there is none, or none of the standard's form. */
function traceIdOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? TRACE_PARENT.exec(header)?.[1] : undefined
}
