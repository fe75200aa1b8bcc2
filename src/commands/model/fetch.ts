import { join } from 'node:path'
import { loadMlflowConfig } from '../../config/mlflowConfig.js'
import { makeStateDirectory } from '../../config/stateDirectory.js'
import { ArtifactCache } from '../../releases/mlflow/artifactCache.js'
import { type BringOptions, bringVersion } from '../../releases/mlflow/bringVersion.js'
import { folderLimits } from '../../releases/mlflow/downloadFolder.js'
import { fetchVersion } from '../../releases/mlflow/fetchVersion.js'
import { MlflowClient } from '../../releases/mlflow/mlflowClient.js'
import { MlflowHttp } from '../../releases/mlflow/mlflowHttp.js'
import { parseModelUri } from '../../releases/mlflow/modelUri.js'
import { checkModels } from './check.js'
import { KEPT, print, printMade } from './made.js'

const TIMEOUT_MS = 15_000

export type FetchArguments = Partial<Omit<BringOptions, 'directory'>> & { readonly models?: string | undefined }

/** Writes the folder of a version in MLflow into the models folder, and checks it. @throws Error with what to do */
export async function fetchModel(uriText: string, { models, ...options }: FetchArguments): Promise<void> {
  const uri = parseModelUri(uriText)
  const { url, token, basic, maxBytes, downloadMs, stateDirectory, modelsDirectory } = loadMlflowConfig()
  await makeStateDirectory(stateDirectory)
  const cache = new ArtifactCache(join(stateDirectory, 'mlflow'))
  const client = new MlflowClient(new MlflowHttp({ url, token, basic, timeoutMs: TIMEOUT_MS }))
  const { version: fetched, offline } = await fetchVersion(client, uri, cache, folderLimits(maxBytes, downloadMs))
  if (offline !== undefined) print(`${offline} What was fetched before is used.`)
  const run = fetched.runId === undefined ? '' : `, of the run ${fetched.runId}`
  print(`${uriText} is version ${fetched.version} of ${fetched.name}${run}: ${fetched.files.length} files`)
  const brought = await bringVersion(fetched, cache, {
    drop: [],
    codes: new Map(),
    ...options,
    directory: models ?? modelsDirectory,
  })
  const { initialised, modelDirectory, version, isNewModel, isNewVersion } = brought
  if (initialised) printMade(initialised)
  else {
    const place = join(modelDirectory, version)
    print(isNewVersion ? `wrote ${place}` : `${place} is there already, with the same files`)
    print(isNewModel ? `wrote ${join(modelDirectory, 'contract.json')}, and it is the champion` : KEPT)
  }
  await checkModels(join(modelDirectory, version))
}
