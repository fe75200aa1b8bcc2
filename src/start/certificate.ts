import { LiveCertificate } from '../server/transport/liveCertificate.js'
import type { EarlyKit } from './kit.js'

/** Loads the certificate of the configured files, and follows their changes; undefined without such files. @throws ConfigError */
export function startCertificate({ config: { tls }, metrics, logger, onStop }: EarlyKit): LiveCertificate | undefined {
  if (!tls) return undefined
  const certificate = new LiveCertificate({
    ...tls,
    loaded: expiresAt => logger.info({ expiresAt }, 'TLS certificate loaded'),
    refused: problem => logger.error({ problem }, 'the new TLS certificate cannot be used; the current one stays'),
    expiresSoon: expiresAt => logger.warn({ expiresAt }, 'the TLS certificate expires soon'),
  })
  onStop(() => certificate.stop())
  metrics.gauge(
    'tls_certificate_expiry_timestamp_seconds',
    'When the certificate of new connections expires, in seconds since 1970.',
    () => certificate.current.expiresAt.getTime() / 1_000,
  )
  return certificate
}
