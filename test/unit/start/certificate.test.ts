import pino from 'pino'
import { expect, it } from 'vitest'
import { loadConfig } from '../../../src/config/config.js'
import { LINE_FORMAT } from '../../../src/observability/logger.js'
import { Metrics } from '../../../src/observability/metrics.js'
import { startCertificate } from '../../../src/start/certificate.js'
import { UNTRACED } from '../../../src/tracer.js'
import { makePair, mountSecret } from '../../support/certificates.js'

function collectingLogger() {
  const lines: Record<string, unknown>[] = []
  return { lines, logger: pino(LINE_FORMAT, { write: line => lines.push(JSON.parse(line)) }) }
}

it('the expiry of the certificate is in the log and in the metrics', async () => {
  await using secret = await mountSecret(await makePair())
  const { lines, logger } = collectingLogger()
  const metrics = new Metrics()
  const config = loadConfig({ RISKGATE_TLS_CERT_FILE: secret.certFile, RISKGATE_TLS_KEY_FILE: secret.keyFile })
  const ends: (() => unknown)[] = []
  const onStop = (end: () => unknown) => ends.push(end)
  const certificate = startCertificate({ config, metrics, logger, onStop, tracer: UNTRACED, upkeep: () => {} })
  for (const end of ends) end()
  const expiresAt = certificate?.current.expiresAt
  expect(lines).toMatchObject([
    { 'log.level': 'info', 'riskgate.expires_at': expiresAt?.toISOString(), message: 'TLS certificate loaded' },
  ])
  expect(await metrics.registry.metrics()).toContain(
    `\nriskgate_tls_certificate_expiry_timestamp_seconds ${(expiresAt?.getTime() ?? 0) / 1_000}\n`,
  )
})

it('without a certificate there is no metric of its expiry', async () => {
  const metrics = new Metrics()
  const { logger } = collectingLogger()
  const kit = { config: loadConfig({}), metrics, logger, onStop: () => {}, tracer: UNTRACED, upkeep: () => {} }
  expect(startCertificate(kit)).toBeUndefined()
  expect(await metrics.registry.metrics()).not.toContain('tls_certificate')
})
