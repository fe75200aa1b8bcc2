import type { ModelManifest } from '../scoring/manifest.js'
import type { Scorer } from '../scoring/release.js'

export interface ScorerWatch {
  /** Called with the seconds of each run of a model. */
  readonly observeScoring: (manifest: ModelManifest, seconds: number) => void
  readonly warn: (message: string, fields: Record<string, unknown>) => void
}

/** Times each run. What a caller gets as MODEL_OUTPUT_INVALID leaves a log line for the model's owner. */
export function watchedScorer(scorer: Scorer, manifest: ModelManifest, { observeScoring, warn }: ScorerWatch): Scorer {
  const named = { model: manifest.model, version: manifest.version }
  return {
    async score(rows) {
      const startedAt = performance.now()
      try {
        const answers = await scorer.score(rows)
        const invalid = answers.filter(answer => answer instanceof Error).length
        if (invalid > 0) warn('a model answered with something that is no probability', { ...named, rows: invalid })
        return answers
      } catch (error) {
        // Not its message: the runtime may name values.
        const { name } = ((error as Error).cause ?? error) as Error
        warn('a model failed', { ...named, rows: rows.length, error: name })
        throw error
      } finally {
        observeScoring(manifest, (performance.now() - startedAt) / 1_000)
      }
    },
  }
}
