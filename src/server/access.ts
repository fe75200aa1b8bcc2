import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Authenticator } from '../auth/authenticator.js'
import { requirePermission } from '../auth/permissions.js'
import type { Permission, Principal } from '../auth/principal.js'
import { unauthenticated } from '../auth/unauthenticated.js'
import { AppError } from '../errors.js'

// A browser shows this to a user who closes its sign-in dialogue.
const HOW_TO_OPEN_A_PAGE = 'Open this page with an access token or an API key as the password; any user name will do.'
const BASIC = /^basic ([\w+/-]+={0,2})$/i

/** Finds out who calls, and reports when the caller's credential ends. */
export type Auth = Pick<Authenticator, 'authenticate' | 'watch'>

/** The same, and who may see the metrics while Postgres does not answer. */
export type ServerAuth = Auth & Pick<Authenticator, 'authenticateInOutage'>

/** Finds the principal that sent a request with this Authorization header. */
export type Identify = (request: FastifyRequest, authorization: string | undefined) => Promise<Principal>

export type OnRequest = (request: FastifyRequest, reply: FastifyReply) => Promise<void>

/** Options of a route that runs the hook first. Without a hook, the route is open to anybody. */
export function onlyAfter(onRequest: OnRequest | undefined): { onRequest?: OnRequest } {
  return onRequest ? { onRequest } : {}
}

/** Lets in only callers with the permission, and checks that before anything else of the request. */
export function onlyCallersWith(identify: Identify, permission: Permission): OnRequest {
  return async request => {
    const principal = await identify(request, request.headers.authorization)
    requirePermission(principal, permission, `This address needs the permission ${permission}.`)
  }
}

/**
 * The same for pages. Browsers cannot send a bearer token to a page, so the credential may come as the password of HTTP Basic;
 * the user name is ignored. Only pages allow this, because browsers also add such a password to requests that other sites make
 * them send.
 */
export function onlyPageVisitorsWith(identify: Identify, permission: Permission): OnRequest {
  return (request, reply) => {
    const identifyPage: Identify = (_request, authorization) =>
      identify(request, bearerOf(authorization)).catch((error: unknown) => {
        // Makes a browser ask for the credential.
        reply.header('www-authenticate', 'Basic realm="riskgate", charset="UTF-8"')
        const isAsked = !authorization && error instanceof AppError && error.code === 'UNAUTHENTICATED'
        throw isAsked ? unauthenticated(HOW_TO_OPEN_A_PAGE) : error
      })
    return onlyCallersWith(identifyPage, permission)(request, reply)
  }
}

function bearerOf(authorization: string | undefined): string | undefined {
  const [, encoded] = BASIC.exec(authorization ?? '') ?? []
  if (encoded === undefined) return authorization
  const pair = Buffer.from(encoded, 'base64').toString()
  return `Bearer ${pair.slice(pair.indexOf(':') + 1)}`
}
