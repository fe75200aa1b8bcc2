import { createHmac, timingSafeEqual } from 'node:crypto'
import type { AdmissionReport } from './admissionReport.js'
import { canonicalJson } from './canonicalJson.js'

/** HMAC-SHA-256 of a report, hexadecimal. */
export function signReport(report: AdmissionReport, key: Uint8Array): string {
  return macOf(report, key).toString('hex')
}

/** Whether a holder of the key has signed exactly this report. */
export function isSignedBy(report: AdmissionReport, signature: string, key: Uint8Array): boolean {
  const given = Buffer.from(signature, 'hex')
  const own = macOf(report, key)
  return given.length === own.length && timingSafeEqual(given, own)
}

/** Whether a gateway of this installation has made the report, as far as can be told: without a key, every report says so. */
export function isBelieved(
  { report, signature }: { readonly report: AdmissionReport; readonly signature: string | undefined },
  key: Uint8Array | undefined,
): boolean {
  return key === undefined || (signature !== undefined && isSignedBy(report, signature, key))
}

function macOf(report: AdmissionReport, key: Uint8Array): Buffer {
  return createHmac('sha256', key).update(canonicalJson(report)).digest()
}
