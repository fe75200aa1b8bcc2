import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import helmet from '@fastify/helmet'
import staticFiles from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import { type OnRequest, onlyAfter } from './access.js'
import { HSTS_SECONDS } from './transport/securityHeaders.js'

const WEB = fileURLToPath(new URL('../../dist/web', import.meta.url))

// Each page as built by Vite.
const PAGES = { '/playground': 'playground/index.html', '/models': 'models/index.html', '/api/docs': 'apiDocs/index.html' }

// Everything comes from this origin. GraphiQL's editor styles itself in line and runs its language service in a worker.
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

export interface PagesOptions {
  /** Absent: anybody may open them. The assets are always open: they are published code, and hold nothing of this gateway. */
  readonly mayOpen: OnRequest | undefined
  /** Headers of answers other than pages. */
  readonly apiHeaders: Readonly<Record<string, string>>
}

/** Serves the GraphiQL playground, the models, the description of the REST API, and their hashed assets. Without a build there are none. */
export async function servePages(server: FastifyInstance, { mayOpen, apiHeaders }: PagesOptions): Promise<void> {
  if (!existsSync(join(WEB, 'playground/index.html'))) return
  await server.register(async pages => {
    // Fastify's headers win over those that helmet writes past it. `cache-control` stays: caches must keep only pages and assets.
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
    for (const [address, file] of Object.entries(PAGES)) {
      // Otherwise the plugin's defaults, meant for the hashed assets, win over this header.
      pages.get(address, onlyAfter(mayOpen), (_request, reply) =>
        reply.header('cache-control', 'no-cache').sendFile(file, WEB, { cacheControl: false }),
      )
    }
    pages.get('/', onlyAfter(mayOpen), (_request, reply) => reply.redirect('/playground'))
  })
}
