import { KeySet } from '../auth/keySet.js'
import { Tokens } from '../auth/tokens.js'
import type { Withdrawals } from '../auth/withdrawals.js'
import type { Config } from '../config/config.js'
import { developmentKey } from '../config/development.js'
import { ConfigError } from '../errors.js'
import type { Logger } from '../observability/logger.js'
import type { Metrics } from '../observability/metrics.js'

/** Whether tokens are signed with a key of riskgate's own making: in development, where none is configured. */
export function signsWithDevelopmentKey({ development, jwt: { secret, jwksUrl } }: Config): boolean {
  return development && !secret && !jwksUrl
}

/** What verifies tokens, and keeps the issuer's keys fresh until `stop`. */
export async function startTokens(config: Config, withdrawals: Withdrawals, metrics: Metrics, logger: Logger) {
  const { jwksUrl: url, algorithms } = config.jwt
  let isDown = false
  const keySet =
    url &&
    new KeySet({
      url,
      algorithms,
      changed: (added, gone) => {
        for (const { credential } of gone) {
          tokens.forget(credential)
          withdrawals.withdraw(credential)
        }
        for (const { credential } of added) withdrawals.reinstate(credential)
        logger.info({ added: added.length, gone: gone.length }, 'the keys of the token issuer have changed')
      },
      fetched: failure => {
        metrics.keySetFetches.inc({ result: failure ? 'failed' : 'ok' })
        if (failure && !isDown)
          logger.warn({ reason: failure.message }, 'the keys of the token issuer cannot be had; trying again')
        if (!failure && isDown) logger.info('the keys of the token issuer can be had again')
        isDown = failure !== undefined
      },
    })
  const tokens = new Tokens({ ...config.jwt, secret: await secretOf(config), keySet })
  keySet?.start()
  return { tokens, stop: () => keySet?.stop() }
}

/** What signs tokens on the command line. @throws ConfigError where only the issuer can */
export async function signingTokens(config: Config): Promise<Tokens> {
  const secret = await secretOf(config)
  if (secret) return new Tokens({ ...config.jwt, secret })
  throw new ConfigError([
    'RISKGATE_JWT_SECRET must be set to sign tokens here; else ask the issuer of RISKGATE_JWKS_URL for one.',
  ])
}

async function secretOf(config: Config): Promise<Uint8Array | undefined> {
  return signsWithDevelopmentKey(config) ? developmentKey(config.stateDirectory) : config.jwt.secret
}
