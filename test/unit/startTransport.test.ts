import pino from 'pino'
import { expect, it } from 'vitest'
import { loadConfig } from '../../src/config.js'
import { Metrics } from '../../src/observability/metrics.js'
import { observeMalformed, startCertificate } from '../../src/start/transport.js'
import { makePair, mountSecret } from '../support/certificates.js'

function collectingLogger() {
  const lines: Record<string, unknown>[] = []
  return { lines, logger: pino({ base: null }, { write: line => lines.push(JSON.parse(line)) }) }
}

it('a flood of what is no request is counted one by one, and told of once a minute for each kind', async () => {
  const { lines, logger } = collectingLogger()
  const metrics = new Metrics()
  let now = 0
  const observe = observeMalformed(metrics, logger, () => now)
  for (let i = 0; i < 1_000; i++) observe('malformed')
  observe('too slow')
  now = 60_000
  observe('malformed')
  expect(lines).toMatchObject([
    { level: 40, why: 'malformed', count: 1 },
    { level: 40, why: 'too slow', count: 1 },
    { level: 40, why: 'malformed', count: 1_000 },
  ])
  const { values } = await metrics.malformedRequests.get()
  expect(values.map(({ labels, value }) => [labels.why, value])).toEqual([
    ['malformed', 1_001],
    ['too slow', 1],
  ])
})

it('the day on which the certificate expires is in the log and in the metrics', async () => {
  await using secret = await mountSecret(await makePair())
  const { lines, logger } = collectingLogger()
  const metrics = new Metrics()
  const config = loadConfig({ RISKGATE_TLS_CERT_FILE: secret.certFile, RISKGATE_TLS_KEY_FILE: secret.keyFile })
  const certificate = startCertificate(config, metrics, logger)
  certificate?.stop()
  const expiresAt = certificate?.current.expiresAt
  expect(lines).toMatchObject([{ level: 30, expiresAt: expiresAt?.toISOString(), msg: 'TLS certificate loaded' }])
  expect(await metrics.registry.metrics()).toContain(
    `\nriskgate_tls_certificate_expiry_seconds ${(expiresAt?.getTime() ?? 0) / 1_000}\n`,
  )
})

it('without a certificate there is no metric of one', async () => {
  const metrics = new Metrics()
  expect(startCertificate(loadConfig({}), metrics, collectingLogger().logger)).toBeUndefined()
  expect(await metrics.registry.metrics()).not.toContain('tls_certificate')
})
