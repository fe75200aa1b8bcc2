import { createHash } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import { JSON_TYPE } from '../formatError.js'

/** Sends a body with its entity tag, or 304 without it to a caller that has it already (RFC 9110, section 13.1.2). */
export function sendTagged(reply: FastifyReply, body: string): FastifyReply {
  const tag = `"${createHash('sha256').update(body).digest('base64url')}"`
  reply.header('etag', tag).header('cache-control', 'private, no-cache')
  return isKnown(tag, reply.request.headers['if-none-match']) ? reply.code(304).send() : reply.type(JSON_TYPE).send(body)
}

/** A proxy that compresses an answer makes its tag a weak one: `W/"…"`. */
function isKnown(tag: string, known = ''): boolean {
  return known.split(',').some(one => ['*', tag, `W/${tag}`].includes(one.trim()))
}
