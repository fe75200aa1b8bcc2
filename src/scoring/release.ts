import { Batcher } from '../concurrency/batcher.js'
import { AppError } from '../errors.js'
import type { Tracer } from '../tracer.js'
import { type BandScale, bandOf, isHighRisk, type RiskBand } from './bands.js'
import type { ModelContract } from './contract.js'
import type { FeatureValues } from './features.js'
import type { ModelManifest } from './manifest.js'

// Above 16 rows, larger runs are no cheaper for each row; above 256, a run begins to block the event loop for milliseconds.
export const MAX_ROWS_A_RUN = 256

/** Computes probabilities for a release: a model on the event loop or in a worker, or a fake of one in a test of failures. */
export interface Scorer {
  score(rows: readonly FeatureValues[]): Promise<readonly (number | Error)[]>
  /** Whether it cannot score just now, as its worker is started again. */
  readonly isAway?: boolean
  /** Frees what the scorer holds. Runs that are still queued would fail. */
  release?(): Promise<void>
}

export interface Score {
  /** Probability of default, 0..1. */
  readonly probability: number
  readonly band: RiskBand
  readonly highRisk: boolean
}

/** A model version that serves. */
export class Release {
  readonly contract: ModelContract
  readonly manifest: ModelManifest
  readonly #bands: BandScale
  readonly #batcher: Batcher<FeatureValues, number>
  readonly #scorer: Scorer
  #retired: Promise<void> | undefined

  constructor(contract: ModelContract, manifest: ModelManifest, scorer: Scorer, tracer?: Tracer) {
    this.contract = contract
    this.manifest = manifest
    this.#bands = manifest.bands
    this.#scorer = scorer
    this.#batcher = new Batcher(rows => scoreTogether(scorer, rows), {
      maxItems: MAX_ROWS_A_RUN,
      maxRunning: 1,
      traces: tracer && { tracer, name: 'model run' },
    })
  }

  /** Rows that wait for a run. */
  get queued(): number {
    return this.#batcher.queued
  }

  /** Whether no row can be scored just now, as its worker is started again. */
  get isAway(): boolean {
    return this.#scorer.isAway ?? false
  }

  /**
   * Scores one applicant; joins calls that come together into one run of the model.
   * @throws AppError MODEL_OUTPUT_INVALID; SERVICE_UNAVAILABLE while its worker is started again, and once it is retired
   */
  async score(features: FeatureValues): Promise<Score> {
    if (this.#retired) throw new AppError('SERVICE_UNAVAILABLE', 'This version has been replaced just now. Try again.')
    const probability = await this.#batcher.submit(features)
    const band = bandOf(probability, this.#bands)
    return { probability, band, highRisk: isHighRisk(band, this.#bands) }
  }

  /** Ends the release: no row comes any more, rows in hand are scored, then the model is freed. May be called twice. */
  retire(): Promise<void> {
    this.#retired ??= this.#end()
    return this.#retired
  }

  async #end(): Promise<void> {
    await this.#batcher.idle()
    await this.#scorer.release?.()
  }
}

export type ModelStage = 'CANDIDATE' | 'SHADOW' | 'CHALLENGER' | 'CHAMPION' | 'RETIRED' | 'REJECTED'

/** A version of a model, whether it serves or not. */
export interface InstalledVersion {
  readonly model: string
  readonly version: string
  readonly stage: ModelStage
  /** Undefined where it cannot be read: such a version is REJECTED. */
  readonly manifest: ModelManifest | undefined
  /** The reasons why it is REJECTED, sentences that name the file; none for another stage. */
  readonly problems: readonly string[]
  /** What its checks could not prove. */
  readonly warnings: readonly string[]
}

/** The versions of all models, for the predictRisk use case and for the fields of a stored prediction. */
export interface Releases {
  /**
   * The release that scores this applicant: the challenger for its share of the applicants, the champion for the others.
   * @throws AppError MODEL_NOT_FOUND; SERVICE_UNAVAILABLE where the model has no version that may serve
   */
  serving(model: string, applicantId: string): Release
  /** The version that made a stored prediction; undefined where it is not installed. */
  version(model: string, version: string): InstalledVersion | undefined
}

async function scoreTogether(scorer: Scorer, rows: readonly FeatureValues[]): Promise<readonly (number | Error)[]> {
  try {
    return await scorer.score(rows)
  } catch (error) {
    if (rows.length === 1) throw error
    // One row that breaks the graph must not fail its neighbours, so each is scored alone.
    return Promise.all(
      rows.map(row =>
        scorer.score([row]).then(
          ([answer]) => answer as number,
          (error: Error) => error,
        ),
      ),
    )
  }
}
