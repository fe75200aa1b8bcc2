import { errorCodes, type FastifyInstance, type FastifyRequest } from 'fastify'
import { requireUtf8 } from './operations/utf8.js'

/** Reads JSON as Fastify does by itself, which takes bytes that are not UTF-8 for text with U+FFFD in it. */
export function readJsonBodies(server: FastifyInstance): void {
  const parse = server.getDefaultJsonParser('error', 'error')
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request: FastifyRequest, body: Buffer, done) => {
    const { 'content-type': type, 'content-encoding': encoding = 'identity' } = request.headers
    if (encoding !== 'identity') return done(new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE(), undefined)
    try {
      requireUtf8(body, type)
    } catch (error) {
      return done(error as Error, undefined)
    }
    parse(request, body.toString(), done)
  })
}
