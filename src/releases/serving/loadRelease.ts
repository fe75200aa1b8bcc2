import type { ModelContract } from '../../scoring/contract.js'
import type { FeatureValues } from '../../scoring/features.js'
import type { ModelManifest } from '../../scoring/manifest.js'
import { OnnxModel, probabilityOf } from '../../scoring/onnx/onnxModel.js'
import { MAX_ROWS_A_RUN, Release, type Scorer } from '../../scoring/release.js'
import { spellingsOf } from '../../scoring/spellings.js'
import { packedFeatures } from '../../scoring/worker/packedRows.js'
import { WorkerScorer } from '../../scoring/worker/workerScorer.js'
import type { Tracer } from '../../tracer.js'
import type { AdmissionReport } from '../admission/admissionReport.js'
import { stallsOf } from '../admission/stallBudget.js'
import { type ScorerWatch, watchedScorer } from './watchedScorer.js'

/** An admitted version, read from where it is kept. */
export interface AdmittedVersion {
  readonly contract: ModelContract
  readonly manifest: ModelManifest
  /** With the tensors of external files put in. */
  readonly graph: Uint8Array<ArrayBuffer>
  readonly report: AdmissionReport
  /** The applications that `report.answers` belongs to, in the same order. */
  readonly rows: readonly FeatureValues[]
}

export interface LoadReleaseOptions extends ScorerWatch {
  /** Called each time that the worker of a version has ended by itself. */
  readonly workerEnded: (manifest: ModelManifest) => void
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined
  /** In a worker whatever it costs, as shadows are. */
  readonly alwaysInWorker?: boolean
}

/**
 * Loads an admitted version, runs it warm, and compares its answers with those of the admission, bit by bit. The event loop is not
 * held up: a version whose load or runs are slow gets a worker.
 * @throws Error with a sentence where it cannot be loaded or answers otherwise
 */
export async function loadRelease(version: AdmittedVersion, options: LoadReleaseOptions): Promise<Release> {
  const { contract, manifest, report } = version
  const scorer = options.alwaysInWorker || needsWorker(report) ? await inWorker(version, options) : await onEventLoop(version)
  try {
    await compare(scorer, version)
  } catch (error) {
    await scorer.release?.()
    throw error
  }
  return new Release(contract, manifest, watchedScorer(scorer, manifest, options), options.tracer)
}

/** Whether a version would hold up the event loop, as its admission measured it. */
export function needsWorker({ cost }: Pick<AdmissionReport, 'cost'>): boolean {
  return cost === undefined || stallsOf(cost).length > 0
}

async function onEventLoop({ contract, manifest, graph, report }: AdmittedVersion): Promise<Scorer> {
  const model = await OnnxModel.load(graph, manifest, spellingsOf(contract))
  if (report.rowByRow) model.runRowByRow()
  return model
}

function inWorker(version: AdmittedVersion, { warn, workerEnded }: LoadReleaseOptions): Promise<Scorer> {
  const { contract, manifest, graph: bytes, report } = version
  const { onnx, model } = manifest
  const graph = { bytes, onnx, spellings: spellingsOf(contract), features: packedFeatures(contract), rowByRow: report.rowByRow }
  return WorkerScorer.load(graph, {
    ended: why => {
      warn('the worker of a model has ended and is started again', { model, version: manifest.version, why })
      workerEnded(manifest)
    },
  })
}

/** Scores one row and full groups, which also warms the model up. */
async function compare(scorer: Scorer, { rows, report }: AdmittedVersion): Promise<void> {
  if (report.answers.length !== rows.length) throw new Error('its golden rows are not those of its checks. Check it again')
  if (rows.length === 0) return
  await scorer.score(rows.slice(0, 1))
  const group = Array.from({ length: MAX_ROWS_A_RUN }, (_, i) => rows[i % rows.length] as FeatureValues)
  await scorer.score(group)
  for (let at = 0; at < rows.length; at += MAX_ROWS_A_RUN) {
    const answers = await scorer.score(rows.slice(at, at + MAX_ROWS_A_RUN))
    for (const [i, answer] of answers.entries()) {
      const admitted = report.answers[at + i] as number
      if (answer === probabilityOf(admitted)) continue
      const got = answer instanceof Error ? 'no probability' : answer
      throw new Error(`row ${at + i + 1} gets ${got} here, and got ${admitted} when the version was admitted`)
    }
  }
}
