import type { AppError } from '../../errors.js'
import type { FeatureValues } from '../features.js'
import { probabilitiesOf } from '../onnx/onnxModel.js'
import type { Scorer } from '../release.js'
import { pack } from './packedRows.js'
import { ThreadLife, threadLost } from './threadLife.js'
import type { ThreadGraph } from './threadMessages.js'

// A thread that ends again and again must not keep a core busy with loading.
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 30_000

// Admission lets no graph pass whose runs come near: a run that takes so long does not end.
const LONGEST_RUN_MS = 5_000

export interface WorkerOptions {
  /** Called with the reason each time that the thread has ended by itself. */
  readonly ended: (why: string) => void
  /** The rows of a run that takes longer are given up, and its thread is replaced as soon as the runtime returns. */
  readonly longestRunMs?: number
}

/** Scores in a thread of its own, for a graph whose load or runs would stall the event loop. A thread that ends is replaced. */
export class WorkerScorer implements Scorer {
  readonly #graph: ThreadGraph
  readonly #options: WorkerOptions
  /** Undefined while the thread is replaced. */
  #thread: ThreadLife | undefined
  #pauseMs = FIRST_PAUSE_MS
  #restart: NodeJS.Timeout | undefined
  #isReleased = false

  private constructor(graph: ThreadGraph, options: WorkerOptions) {
    this.#graph = graph
    this.#options = options
  }

  /** @throws Error where the graph cannot be loaded */
  static async load(graph: ThreadGraph, options: WorkerOptions): Promise<WorkerScorer> {
    const scorer = new WorkerScorer(graph, options)
    await scorer.#start()
    return scorer
  }

  /** As that of OnnxModel. @throws also AppError SERVICE_UNAVAILABLE while the thread is replaced */
  score(rows: readonly FeatureValues[]): Promise<(number | AppError)[]> {
    return probabilitiesOf(this.#run(rows))
  }

  get isAway(): boolean {
    return this.#thread?.isLost ?? true
  }

  /** Ends the thread after the runs in hand. */
  async release(): Promise<void> {
    this.#isReleased = true
    clearTimeout(this.#restart)
    await this.#thread?.end()
  }

  async #run(rows: readonly FeatureValues[]): Promise<number[]> {
    if (!this.#thread) throw threadLost()
    const answers = await this.#thread.run(pack(rows, this.#graph.features))
    this.#pauseMs = FIRST_PAUSE_MS
    return [...answers]
  }

  async #start(): Promise<void> {
    const thread = new ThreadLife(this.#options.longestRunMs ?? LONGEST_RUN_MS)
    try {
      await thread.load(this.#graph)
    } catch (error) {
      await thread.end()
      throw error
    }
    this.#thread = thread
    void thread.ended.then(why => this.#replace(why))
    if (this.#isReleased) await thread.end()
  }

  #replace(why: string): void {
    this.#thread = undefined
    if (this.#isReleased) return
    this.#options.ended(why)
    this.#startLater()
  }

  #startLater(): void {
    this.#restart = setTimeout(() => {
      this.#start().catch(() => {
        if (!this.#isReleased) this.#startLater()
      })
    }, this.#pauseMs)
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS)
  }
}
