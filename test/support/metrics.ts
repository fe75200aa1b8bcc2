import { SignJWT } from 'jose'
import type { TestGateway } from './gateway.js'

/** Reads the metrics as Prometheus does, with a token for Prometheus. */
export async function metricsOf({ url, environment }: Pick<TestGateway, 'url' | 'environment'>): Promise<Response> {
  const token = await new SignJWT({ roles: ['MONITOR'] })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('prometheus')
    .setIssuer(environment.RISKGATE_JWT_ISSUER ?? 'riskgate')
    .setAudience(environment.RISKGATE_JWT_AUDIENCE ?? 'riskgate')
    .setExpirationTime('1m')
    .sign(Buffer.from(environment.RISKGATE_JWT_SECRET ?? ''))
  return fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })
}

/** The sum of a metric's samples whose labels include these; undefined if there are none. */
export async function metric(
  gateway: Pick<TestGateway, 'url' | 'environment'>,
  name: string,
  labels: Record<string, string> = {},
): Promise<number | undefined> {
  const text = await (await metricsOf(gateway)).text()
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
  const values = text
    .split('\n')
    .map(line => /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line))
    .filter(sample => sample?.[1] === name && wanted.every(label => sample[2]?.split(',').includes(label)))
    .map(sample => Number(sample?.[3]))
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0)
}
