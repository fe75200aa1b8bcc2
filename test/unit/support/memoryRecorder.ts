import type { NewPrediction, PredictionRecorder, Recorded } from '../../../src/scoring/prediction.js'

/** Keeps what it is given, in order, and answers as a store without idempotency keys would. */
export class MemoryRecorder implements PredictionRecorder {
  readonly recorded: NewPrediction[] = []

  async record(given: NewPrediction): Promise<Recorded> {
    this.recorded.push(given)
    return { prediction: given.prediction, replayed: false }
  }
}
