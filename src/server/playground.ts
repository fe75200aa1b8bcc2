import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import helmet from '@fastify/helmet'
import staticFiles from '@fastify/static'
import type { FastifyInstance } from 'fastify'

const WEB = fileURLToPath(new URL('../../dist/web', import.meta.url))

// Everything from this origin; GraphiQL's editor styles itself in line and runs its language service in a worker.
const CONTENT_SECURITY_POLICY = {
  defaultSrc: ["'self'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'", "'unsafe-inline'"],
  imgSrc: ["'self'", 'data:'],
  fontSrc: ["'self'", 'data:'],
  workerSrc: ["'self'", 'blob:'],
  connectSrc: ["'self'", 'ws:', 'wss:'],
  baseUri: ["'none'"],
  frameAncestors: ["'none'"],
  formAction: ["'self'"],
}

/** The GraphiQL playground and its hashed assets, as built by Vite. Without a build there is none. */
export async function servePlayground(server: FastifyInstance): Promise<void> {
  if (!existsSync(join(WEB, 'playground/index.html'))) return
  await server.register(async pages => {
    await pages.register(helmet, {
      contentSecurityPolicy: { useDefaults: false, directives: CONTENT_SECURITY_POLICY },
      strictTransportSecurity: false,
    })
    await pages.register(staticFiles, { root: join(WEB, 'assets'), prefix: '/assets/', immutable: true, maxAge: '365d' })
    // Else the plugin's defaults, which are for the hashed assets, win over the header.
    pages.get('/playground', (_request, reply) =>
      reply.header('cache-control', 'no-cache').sendFile('playground/index.html', WEB, { cacheControl: false }),
    )
    pages.get('/', (_request, reply) => reply.redirect('/playground'))
  })
}
