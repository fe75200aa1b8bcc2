import { createHash } from 'node:crypto'
import type { Prediction } from '../scoring/prediction.js'

export const ID_LENGTH = 36

/** The cached fact about an applicant: its newest prediction, or that all predictions up to this id were erased. */
export interface LatestEntry {
  /** UUIDv7, which grows with time. */
  readonly id: string
  readonly prediction: Prediction | undefined
}

/** Whether an entry replaces a known one: a newer one does, and an erasure of the known prediction. */
export function replaces(entry: LatestEntry, known: LatestEntry | undefined): boolean {
  if (known === undefined || entry.id > known.id) return true
  return entry.id === known.id && entry.prediction === undefined
}

/** A digest, so that no key holds an applicant's reference. */
export function keyOf(tenant: string, applicantId: string): string {
  return createHash('sha256')
    .update(JSON.stringify([tenant, applicantId]))
    .digest('base64url')
}

/** The id, then the rest without tenant and applicant, which the reader knows; the id alone for an erasure. */
export function encodeEntry({ id, prediction }: LatestEntry): string {
  if (prediction === undefined) return id
  const { id: _id, tenant: _tenant, applicantId: _applicantId, ...rest } = prediction
  return id + JSON.stringify(rest)
}

/** Undefined for an empty value, an erasure, and a value that riskgate did not write. */
export function decodePrediction(value: string, tenant: string, applicantId: string): Prediction | undefined {
  try {
    const rest = JSON.parse(value.slice(ID_LENGTH)) as Omit<Prediction, 'id' | 'tenant' | 'applicantId'>
    const createdAt = new Date(rest.createdAt)
    if (Number.isNaN(createdAt.getTime())) return undefined
    return { ...rest, id: value.slice(0, ID_LENGTH), tenant, applicantId, createdAt }
  } catch {
    return undefined
  }
}
