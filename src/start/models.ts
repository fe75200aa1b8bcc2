import { loadModelFolder } from '../releases/folderSource.js'
import type { ModelRegistry } from '../releases/modelRegistry.js'
import { type EarlyKit, warnTo } from './kit.js'

/** Loads the models of the folder, and measures their runs. @throws ConfigError where the folder cannot be served */
export function startModels(kit: EarlyKit): Promise<ModelRegistry> {
  const { config, metrics, tracer } = kit
  return loadModelFolder({
    directory: config.modelsDirectory,
    observeScoring: ({ model, version }, seconds) => metrics.scoringSeconds.observe({ model, version }, seconds),
    warn: warnTo(kit),
    tracer,
  })
}
