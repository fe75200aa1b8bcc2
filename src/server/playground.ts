import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import helmet from '@fastify/helmet'
import staticFiles from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import { type OnRequest, onlyAfter } from './access.js'
import { HSTS_SECONDS } from './transport/securityHeaders.js'

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

export interface PlaygroundOptions {
  /** Absent: whoever comes. The assets are open in any case: they are published code, and hold nothing of this gateway. */
  readonly mayOpen: OnRequest | undefined
  /** Of answers that are no page. */
  readonly apiHeaders: Readonly<Record<string, string>>
}

/** The GraphiQL playground and its hashed assets, as built by Vite. Without a build there is none. */
export async function servePlayground(server: FastifyInstance, { mayOpen, apiHeaders }: PlaygroundOptions): Promise<void> {
  if (!existsSync(join(WEB, 'playground/index.html'))) return
  await server.register(async pages => {
    // Fastify's headers win over those that helmet writes past it. What is no page or asset is kept by no cache here either.
    pages.addHook('onRequest', async (_request, reply) => {
      for (const name of Object.keys(apiHeaders)) if (name !== 'cache-control') reply.removeHeader(name)
    })
    await pages.register(helmet, {
      contentSecurityPolicy: { useDefaults: false, directives: CONTENT_SECURITY_POLICY },
      referrerPolicy: { policy: 'no-referrer' },
      frameguard: { action: 'deny' },
      strictTransportSecurity: 'strict-transport-security' in apiHeaders && { maxAge: HSTS_SECONDS, includeSubDomains: false },
    })
    await pages.register(staticFiles, { root: join(WEB, 'assets'), prefix: '/assets/', immutable: true, maxAge: '365d' })
    // Else the plugin's defaults, which are for the hashed assets, win over the header.
    pages.get('/playground', onlyAfter(mayOpen), (_request, reply) =>
      reply.header('cache-control', 'no-cache').sendFile('playground/index.html', WEB, { cacheControl: false }),
    )
    pages.get('/', onlyAfter(mayOpen), (_request, reply) => reply.redirect('/playground'))
  })
}
