import { isIP } from 'node:net'
import { generate } from 'selfsigned'
import type { TestPair } from './certificates.js'

const DAY_MS = 86_400_000

export interface CertificateAuthority {
  /** Its own certificate. */
  readonly cert: string
  /** A certificate for these names and addresses. */
  issue(names: readonly string[], options?: { readonly validDays?: number }): Promise<TestPair>
}

export async function makeAuthority(name: string): Promise<CertificateAuthority> {
  const lasts = { notBeforeDate: inDays(-30), notAfterDate: inDays(90) }
  const extensions = [
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
  ] as const
  const own = await generate(commonName(name), { keyType: 'ec', algorithm: 'sha256', ...lasts, extensions: [...extensions] })
  return {
    cert: own.cert,
    async issue(names, { validDays = 90 } = {}) {
      const altNames = names.map(entry =>
        isIP(entry) === 0 ? { type: 2 as const, value: entry } : { type: 7 as const, ip: entry },
      )
      const { cert, private: key } = await generate(commonName(names[0] ?? ''), {
        keyType: 'ec',
        algorithm: 'sha256',
        notBeforeDate: inDays(-20),
        notAfterDate: inDays(validDays),
        ca: { key: own.private, cert: own.cert },
        extensions: [
          { name: 'basicConstraints', cA: false },
          { name: 'subjectAltName', altNames },
        ],
      })
      return { cert, key }
    },
  }
}

function commonName(value: string) {
  return [{ name: 'commonName', value }]
}

function inDays(days: number): Date {
  return new Date(Date.now() + days * DAY_MS)
}
