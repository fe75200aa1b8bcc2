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

function macOf(report: AdmissionReport, key: Uint8Array): Buffer {
  return createHmac('sha256', key).update(canonicalJson(report)).digest()
}
