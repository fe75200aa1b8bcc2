import type { RiskBand } from '../../scoring/bands.js'

/** What a version that answers nobody gives for a stored prediction. */
export interface ShadowScore {
  readonly predictionId: string
  readonly tenant: string
  readonly model: string
  /** The version that gave this score; that of the prediction is another. */
  readonly version: string
  /** Probability of default, 0..1. */
  readonly probability: number
  /** By the cut-offs of this version. */
  readonly band: RiskBand
  /** That of the prediction. */
  readonly createdAt: Date
}

/** Keeps shadow scores apart from predictions. Implemented over Postgres. */
export interface ShadowLog {
  /** Stores a group of at most 256. A rejection loses the group: nobody waits for it. */
  record(scores: readonly ShadowScore[]): Promise<void>
}
