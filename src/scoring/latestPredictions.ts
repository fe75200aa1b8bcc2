import type { Prediction } from './prediction.js'

/** Remembers the newest prediction of an applicant within a tenant. Never the only copy; may forget at any time. */
export interface LatestPredictions {
  find(tenant: string, applicantIds: readonly string[]): Promise<ReadonlyMap<string, Prediction>>
  /** Keeps each prediction unless a newer one of its applicant is known. Never rejects. */
  remember(predictions: readonly Prediction[]): Promise<void>
  /** From now on finds no prediction of this applicant with an id up to `lastId`, because they were erased. Never rejects. */
  forget(tenant: string, applicantId: string, lastId: string): Promise<void>
}
