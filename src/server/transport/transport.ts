import type { IncomingMessage, Server } from 'node:http'
import type { Server as TlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { AppError } from '../../errors.js'
import { type ObserveRefusal, refuse } from '../requests.js'
import { secureContextOf } from './certificate.js'
import { type Connections, followConnections } from './connections.js'
import { allowOrigins, type OriginRules, originCheck } from './crossOrigin.js'
import { isDroppedHandshake, UPGRADE_HEADERS, UPGRADE_REQUIRED, upgradeDropped } from './handshakes.js'
import type { LiveCertificate } from './liveCertificate.js'
import { answerMalformed, answerUnusual, type ObserveMalformed } from './malformedRequests.js'
import { repeatedHeader } from './repeatedHeader.js'
import { securityHeaders } from './securityHeaders.js'
import { TRANSPORT_LIMITS, type TransportLimits } from './transportLimits.js'
import type { UpgradeRules } from './upgrades.js'

const TARGET = /^(\/|https?:\/\/)/i

export interface TransportOptions extends OriginRules {
  /** Absent: plain HTTP. */
  readonly certificate?: LiveCertificate | undefined
  /** How long a connection may be idle between two requests. */
  readonly keepAliveMs: number
  readonly refused: ObserveRefusal
  readonly malformed: ObserveMalformed
  /** For tests, whose slow clients must not take as long as real ones. */
  readonly limits?: Partial<TransportLimits>
}

/** The layer below the routes: TLS, trusted proxies, limits of connections, headers, malformed requests. */
export interface Transport {
  readonly serverOptions: FastifyServerOptions
  /** The headers of every answer, including those that no hook sees. */
  readonly headers: Readonly<Record<string, string>>
  readonly upgrades: UpgradeRules
  /**
   * To be called before any other hook or route. Pages of allowed origins may call below `apiPaths`. WebSockets are served at
   * `webSocketPath`.
   */
  attach(server: FastifyInstance, apiPaths: readonly string[], webSocketPath: string): Promise<Connections>
}

export function createTransport(options: TransportOptions): Transport {
  const { certificate, refused, keepAliveMs } = options
  const limits = { ...TRANSPORT_LIMITS, keepAliveMs, ...options.limits }
  const headers = securityHeaders(certificate !== undefined)
  let connections: Connections
  let answer: (error: Error, socket: Socket) => void
  const serverOptions = {
    requestTimeout: limits.requestMs,
    connectionTimeout: limits.idleMs,
    keepAliveTimeout: limits.keepAliveMs,
    clientErrorHandler: (error: Error, socket: Socket) => answer(error, socket),
    ...(certificate ? { https: { ...nodeOptions(limits), ...tlsOptions(certificate, limits) } } : { http: nodeOptions(limits) }),
  } as FastifyServerOptions
  return {
    serverOptions,
    headers,
    upgrades: { mayConnect: originCheck(options), mayAnswer: socket => connections.mayAnswer(socket), headers, refused },
    async attach(server, apiPaths, webSocketPath) {
      const http = server.server as Server
      connections = followConnections(http, limits)
      answer = answerMalformed({ connections, headers, observe: options.malformed })
      answerUnusual(http, { connections, headers, observe: options.malformed })
      certificate?.onRenewal(renewed => (http as TlsServer).setSecureContext(secureContextOf(renewed)))
      beginAnswers(server, { headers, limits, refused, webSocketPath })
      await allowOrigins(server, apiPaths, options.corsOrigins)
      return connections
    },
  }
}

function nodeOptions({ maxHeaderBytes, headersMs, requestMs, checkEveryMs }: TransportLimits) {
  return {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: Math.min(headersMs, requestMs),
    requestTimeout: requestMs,
    connectionsCheckingInterval: checkEveryMs,
    // Node would refuse a missing header in a form of its own.
    requireHostHeader: false,
  }
}

function tlsOptions({ current }: LiveCertificate, { handshakeMs }: TransportLimits) {
  return { ...secureContextOf(current), handshakeTimeout: handshakeMs }
}

interface Beginning extends Pick<TransportOptions, 'refused'> {
  readonly headers: Readonly<Record<string, string>>
  readonly limits: TransportLimits
  readonly webSocketPath: string
}

function beginAnswers(server: FastifyInstance, { headers, limits: { maxHeaders }, refused, webSocketPath }: Beginning): void {
  // One hook for all of this, with `done`: each hook that returns a promise costs every request time.
  server.addHook('onRequest', ({ raw }, reply, done) => {
    reply.headers(headers)
    // These are names and values. Node itself silently drops headers that are too many.
    if (raw.rawHeaders.length > 2 * maxHeaders) {
      refuse(reply, new AppError('PAYLOAD_TOO_LARGE', `Send at most ${maxHeaders} headers.`), refused, 431)
      return
    }
    // Before the caller is known: what a proxy does wrong costs no points.
    if (isDroppedHandshake(raw) && raw.url?.split('?', 1)[0] === webSocketPath) {
      refuse(reply.headers(UPGRADE_HEADERS), upgradeDropped(), refused, UPGRADE_REQUIRED)
      return
    }
    done(problemOf(raw))
  })
}

function problemOf(request: IncomingMessage): AppError | undefined {
  const { url = '', headers, httpVersion } = request
  // The router would treat any first character as a slash.
  if (!TARGET.test(url)) return new AppError('BAD_REQUEST', 'The address of the request must be a path or a URL.')
  if (headers.host === undefined && httpVersion !== '1.0') return new AppError('BAD_REQUEST', 'Send a Host header.')
  return repeatedHeader(request)
}
