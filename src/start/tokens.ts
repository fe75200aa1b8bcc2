import { KeySet } from '../auth/keySet.js'
import { Tokens } from '../auth/tokens.js'
import type { Withdrawals } from '../auth/withdrawals.js'
import type { Config } from '../config/config.js'
import { developmentKey, writeDevelopmentFile } from '../config/development.js'
import { ConfigError } from '../errors.js'
import { showFromZero } from '../observability/metrics.js'
import type { EarlyKit } from './kit.js'

/** Whether riskgate made the signing key itself: in development, where no key is configured. */
function signsWithDevelopmentKey({ development, jwt: { secret, jwksUrl } }: Config): boolean {
  return development && !secret && !jwksUrl
}

/** Verifies tokens, and keeps the issuer's keys fresh. */
export async function startTokens(
  { config, metrics, logger, onStop }: EarlyKit,
  { withdrawals }: { withdrawals: Withdrawals },
): Promise<Tokens> {
  const { jwksUrl: url, algorithms } = config.jwt
  let isDown = false
  if (url) showFromZero(metrics.keySetFetches, 'result', ['ok', 'failed'])
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
          logger.warn({ reason: failure.message }, 'the keys of the token issuer cannot be fetched; trying again')
        if (!failure && isDown) logger.info('the keys of the token issuer can be fetched again')
        isDown = failure !== undefined
      },
    })
  const tokens = new Tokens({ ...config.jwt, secret: await secretOf(config), keySet, lookedUp: metrics.lookups('tokens') })
  keySet?.start()
  onStop(() => keySet?.stop())
  return tokens
}

/**
 * Writes dev.json in development, and returns its path. It never holds tokens of a configured key: they would stay on the disk of
 * a machine where somebody forgot NODE_ENV.
 */
export async function writeTokens(
  { config }: EarlyKit,
  { url, tokens }: { url: string; tokens: Tokens },
): Promise<string | undefined> {
  return signsWithDevelopmentKey(config) ? writeDevelopmentFile(config.stateDirectory, url, tokens) : undefined
}

/** Returns the signer of tokens for the command line. @throws ConfigError where only the issuer can sign */
export async function signingTokens(config: Config): Promise<Tokens> {
  const secret = await secretOf(config)
  if (secret) return new Tokens({ ...config.jwt, secret })
  throw new ConfigError([
    'RISKGATE_JWT_SECRET must be set to sign tokens here; without it, ask the issuer of RISKGATE_JWKS_URL for a token.',
  ])
}

async function secretOf(config: Config): Promise<Uint8Array | undefined> {
  return signsWithDevelopmentKey(config) ? developmentKey(config.stateDirectory) : config.jwt.secret
}
