import type { NewPrediction, PredictionRecorder, Recorded } from '../../../src/scoring/prediction.js'

/** Keeps the predictions it is given, in order, and answers like a store without idempotency keys. */
export class MemoryRecorder implements PredictionRecorder {
  readonly recorded: NewPrediction[] = []

  async record(given: NewPrediction): Promise<Recorded> {
    this.recorded.push(given)
    return { prediction: given.prediction, replayed: false }
  }
}
