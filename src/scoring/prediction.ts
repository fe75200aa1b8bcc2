import type { Problem } from '../errors.js'
import type { RiskBand } from './bands.js'
import type { FeatureValues, RawFeatures } from './features.js'

/** The beginning of the text that replaces the applicant's reference in an erased prediction; the prediction's id follows. */
export const ERASED_PREFIX = 'erased:'

/** An application that a caller sends to be scored. */
export interface Application {
  readonly applicantId: string
  readonly model: string
  readonly features: RawFeatures
  readonly idempotencyKey?: string
  readonly channel?: string
}

/** One scored application as it is stored. Its features are kept beside it and read only where they are asked for. */
export interface Prediction {
  /** UUIDv7, made in the millisecond of `createdAt`. */
  readonly id: string
  readonly tenant: string
  readonly applicantId: string
  readonly model: string
  readonly modelVersion: string
  /** Probability of default, 0..1. */
  readonly probability: number
  readonly band: RiskBand
  readonly highRisk: boolean
  readonly channel: string | null
  readonly createdAt: Date
  /** Id of the principal that asked. */
  readonly requestedBy: string
}

/** A prediction about to be stored, with the data that only the store needs. */
export interface NewPrediction {
  readonly prediction: Prediction
  readonly features: FeatureValues
  readonly idempotency: IdempotencyKey | undefined
}

/** A key belongs to a tenant and principal. The digest tells the same application from another. */
export interface IdempotencyKey {
  readonly key: string
  /** SHA-256 of the application, hexadecimal. */
  readonly digest: string
}

export interface Recorded {
  readonly prediction: Prediction
  /** True when the key was used before: `prediction` is the first answer. */
  readonly replayed: boolean
}

/** The result of one row of a batch: recorded, or refused for these reasons. */
export type RowResult = Recorded | { readonly problems: readonly Problem[] }

/** Stores predictions durably; consumed by the predictRisk use case. */
export interface PredictionRecorder {
  /**
   * Resolves after commit.
   * @throws AppError IDEMPOTENCY_KEY_REUSED, SERVICE_UNAVAILABLE (not stored) or OUTCOME_UNKNOWN (perhaps stored)
   */
  record(prediction: NewPrediction): Promise<Recorded>
}

/** An entry of the durable feed of high-risk scores. */
export interface HighRiskAlert {
  readonly id: string
  readonly cursor: string
  readonly prediction: Prediction
  readonly raisedAt: Date
  readonly acknowledgedAt: Date | null
  /** Id of the principal that acknowledged it first. */
  readonly acknowledgedBy: string | null
}

/** What really happened with the loan, as last recorded. */
export interface Outcome {
  readonly defaulted: boolean
  readonly observedAt: Date
  /** Id of the principal that recorded it. */
  readonly recordedBy: string
}
