import { constants, createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContextOptions } from 'node:tls'

/** A certificate with its chain and its key, both as PEM. */
export interface CertificatePair {
  readonly cert: string
  readonly key: string
}

export interface Certificate extends CertificatePair {
  readonly expiresAt: Date
}

// TLS 1.3, and the ciphers of TLS 1.2 that keep old traffic secret when the key is lost later: Mozilla's "intermediate" without
// DHE.
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/**
 * Everything that a handshake needs: a renewed certificate gets a context of its own, which takes nothing from the one before.
 */
export function secureContextOf({ cert, key }: CertificatePair): SecureContextOptions {
  // Without this option a client could make the server compute new keys for as long as it likes.
  return { cert, key, minVersion: 'TLSv1.2', ciphers: CIPHERS, secureOptions: constants.SSL_OP_NO_RENEGOTIATION }
}

/** Returns the pair if a server can use it now, else its problem in a sentence that names the setting. */
export function checkPair({ cert, key }: CertificatePair, now: Date): Certificate | { readonly problem: string } {
  const certificate = attempt(() => new X509Certificate(cert))
  if (!certificate) return { problem: 'RISKGATE_TLS_CERT_FILE holds no certificate in PEM form.' }
  if (/ENCRYPTED/.test(key)) return { problem: 'RISKGATE_TLS_KEY_FILE holds an encrypted key: store it without a passphrase.' }
  const privateKey = attempt(() => createPrivateKey(key))
  if (!privateKey) return { problem: 'RISKGATE_TLS_KEY_FILE holds no private key in PEM form.' }
  if (!certificate.checkPrivateKey(privateKey)) {
    const order = 'the first certificate of RISKGATE_TLS_CERT_FILE must be that of this server.'
    return { problem: `RISKGATE_TLS_KEY_FILE is not the key of the certificate; ${order}` }
  }
  const [validFrom, expiresAt] = [new Date(certificate.validFrom), new Date(certificate.validTo)]
  if (now >= expiresAt) return { problem: `RISKGATE_TLS_CERT_FILE holds a certificate that expired on ${dayOf(expiresAt)}.` }
  if (now < validFrom) return { problem: `RISKGATE_TLS_CERT_FILE holds a certificate that is valid from ${dayOf(validFrom)} on.` }
  // OpenSSL alone finds some problems: a key that is too short, a broken certificate further down the chain.
  if (!attempt(() => createSecureContext(secureContextOf({ cert, key })))) {
    return { problem: 'RISKGATE_TLS_CERT_FILE and RISKGATE_TLS_KEY_FILE hold a pair that TLS cannot use.' }
  }
  return { cert, key, expiresAt }
}

function dayOf(instant: Date): string {
  return instant.toISOString().slice(0, 10)
}

function attempt<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}
