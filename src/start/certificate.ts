import type { Config } from '../config/config.js'
import { ConfigError } from '../errors.js'
import type { Logger } from '../observability/logger.js'
import { CertificateError, LiveCertificate } from '../server/transport/liveCertificate.js'
import type { EarlyKit } from './kit.js'

/** Loads the certificate of the configured files, and follows their changes; undefined without such files. @throws ConfigError */
export function startCertificate({ config: { tls }, metrics, logger, onStop }: EarlyKit): LiveCertificate | undefined {
  if (!tls) return undefined
  const certificate = createCertificate(tls, logger)
  onStop(() => certificate.stop())
  metrics.gauge(
    'tls_certificate_expiry_seconds',
    'When the certificate of new connections expires, in seconds since 1970.',
    () => certificate.current.expiresAt.getTime() / 1_000,
  )
  return certificate
}

function createCertificate(files: NonNullable<Config['tls']>, logger: Logger): LiveCertificate {
  try {
    return new LiveCertificate({
      ...files,
      loaded: expiresAt => logger.info({ expiresAt }, 'TLS certificate loaded'),
      refused: problem => logger.error({ problem }, 'the new TLS certificate cannot be used; the current one stays'),
      expiresSoon: expiresAt => logger.warn({ expiresAt }, 'the TLS certificate expires soon'),
    })
  } catch (error) {
    if (error instanceof CertificateError) throw new ConfigError([error.message])
    throw error
  }
}
