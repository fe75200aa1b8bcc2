import type { ModelManifest } from '../../scoring/manifest.js'
import type { Scorer } from '../../scoring/release.js'

export interface ScorerWatch {
  /** Called with the seconds of each run of a model. */
  readonly observeScoring: (manifest: ModelManifest, seconds: number) => void
  readonly warn: (message: string, fields: Record<string, unknown>) => void
}

/** Times each run. Failures that callers get as MODEL_OUTPUT_INVALID are logged for the model's owner. */
export function watchedScorer(scorer: Scorer, manifest: ModelManifest, { observeScoring, warn }: ScorerWatch): Scorer {
  const named = { model: manifest.model, version: manifest.version }
  return {
    async score(rows) {
      const startedAt = performance.now()
      try {
        const answers = await scorer.score(rows)
        const invalid = answers.filter(answer => answer instanceof Error).length
        if (invalid > 0) warn('a model returned a value that is not a probability', { ...named, rows: invalid })
        return answers
      } catch (error) {
        // Without its message: the runtime may name values in it.
        const { name } = ((error as Error).cause ?? error) as Error
        warn('a model failed', { ...named, rows: rows.length, error: name })
        throw error
      } finally {
        observeScoring(manifest, (performance.now() - startedAt) / 1_000)
      }
    },
    get isAway() {
      return scorer.isAway ?? false
    },
    release: async () => scorer.release?.(),
  }
}
