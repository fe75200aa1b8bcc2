import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Authenticator } from '../auth/authenticator.js'
import { requirePermission } from '../auth/permissions.js'
import type { Permission, Principal } from '../auth/principal.js'
import { unauthenticated } from '../auth/unauthenticated.js'
import { AppError } from '../errors.js'

// What a browser shows to whoever closes its question.
const HOW_TO_OPEN_A_PAGE = 'Open this page with an access token or an API key as the password; any user name will do.'
const BASIC = /^basic ([\w+/-]+={0,2})$/i

/** Says who calls, and when that credential ends. */
export type Auth = Pick<Authenticator, 'authenticate' | 'watch'>

/** Who sent a request with this Authorization header. */
export type Identify = (request: FastifyRequest, authorization: string | undefined) => Promise<Principal>

export type OnRequest = (request: FastifyRequest, reply: FastifyReply) => Promise<void>

/** The options of a route that is open where there is no hook. */
export function onlyAfter(onRequest: OnRequest | undefined): { onRequest?: OnRequest } {
  return onRequest ? { onRequest } : {}
}

/** Lets in only callers with the permission, before anything else is looked at. */
export function callersWith(identify: Identify, permission: Permission): OnRequest {
  return async request => {
    const principal = await identify(request, request.headers.authorization)
    requirePermission(principal, permission, `This address needs the permission ${permission}.`)
  }
}

/**
 * The same for pages, to which browsers cannot send a bearer token: the credential may come as the password of HTTP Basic, whose
 * user name means nothing. Nowhere else: browsers add such a password by themselves to what other sites make them send.
 */
export function visitorsWith(identify: Identify, permission: Permission): OnRequest {
  return (request, reply) => {
    const identifyPage: Identify = (_request, authorization) =>
      identify(request, bearerOf(authorization)).catch((error: unknown) => {
        // Makes a browser ask for it.
        reply.header('www-authenticate', 'Basic realm="riskgate playground", charset="UTF-8"')
        const isAsked = !authorization && error instanceof AppError && error.code === 'UNAUTHENTICATED'
        throw isAsked ? unauthenticated(HOW_TO_OPEN_A_PAGE) : error
      })
    return callersWith(identifyPage, permission)(request, reply)
  }
}

function bearerOf(authorization: string | undefined): string | undefined {
  const [, encoded] = BASIC.exec(authorization ?? '') ?? []
  if (encoded === undefined) return authorization
  const pair = Buffer.from(encoded, 'base64').toString()
  return `Bearer ${pair.slice(pair.indexOf(':') + 1)}`
}
