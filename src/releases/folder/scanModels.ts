import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { VERSION_NAME } from '../../scoring/manifest.js'
import { type ModelFolder, readModelFolders, subfolders } from '../modelFiles.js'
import { isThere, readText } from '../readFiles.js'

/** A version as a source brings it: manifest, graph, golden rows and model card in a folder. */
export interface VersionFolder {
  readonly model: string
  readonly version: string
  readonly directory: string
  /** The contract of its model. */
  readonly contractFile: string
}

/** What the file `champion` of a model says. */
export interface FolderChampion {
  readonly version: string
  /** When the file was last written. */
  readonly saidAt: Date
}

export interface ScannedModel extends ModelFolder {
  readonly versions: readonly VersionFolder[]
  /** Undefined where the file is missing or names nothing: `championProblem` says so. */
  readonly champion: FolderChampion | undefined
  readonly championProblem: string | undefined
}

export interface ModelScan {
  readonly models: readonly ScannedModel[]
  /** Folders that hold neither a model nor a version, by their path below the models folder. */
  readonly strays: readonly string[]
}

/**
 * Lists the models of a folder: <name>/contract.json, <name>/champion and <name>/<version>/manifest.json. It reads no version.
 * @throws ConfigError where the folder holds no model or cannot be read
 */
export async function scanModels(directory: string): Promise<ModelScan> {
  const { models, strays } = await readModelFolders(directory)
  const scanned = await Promise.all(models.map(scanModel))
  return { models: scanned.map(({ model }) => model), strays: [...strays, ...scanned.flatMap(({ strays }) => strays)] }
}

/** Lists the versions of one model. */
async function scanModel(folder: ModelFolder): Promise<{ readonly model: ScannedModel; readonly strays: readonly string[] }> {
  const { name, directory } = folder
  const said = await readChampion(folder)
  const contractFile = join(directory, 'contract.json')
  const folders = await subfolders(directory)
  const areVersions = await Promise.all(folders.map(version => isThere(join(directory, version, 'manifest.json'))))
  // A champion stands out as a version that cannot be read, not as a stray folder or as nothing.
  const named = said.champion !== undefined && VERSION_NAME.test(said.champion.version) ? [said.champion.version] : []
  const strays = folders.filter((version, i) => !areVersions[i] && !named.includes(version))
  const versions = [...new Set([...folders.filter(version => !strays.includes(version)), ...named])].sort()
  return {
    model: {
      ...folder,
      ...said,
      versions: versions.map(version => ({ model: name, version, directory: join(directory, version), contractFile })),
    },
    strays: strays.map(version => `${name}/${version}`),
  }
}

async function readChampion({ name, directory }: ModelFolder): Promise<Pick<ScannedModel, 'champion' | 'championProblem'>> {
  const file = join(directory, 'champion')
  const read = await readText(file, `${name}/champion`)
  if ('problem' in read) return { champion: undefined, championProblem: read.problem }
  const version = read.text.trim()
  if (version === '') return { champion: undefined, championProblem: `${name}/champion must name the version that serves.` }
  return { champion: { version, saidAt: (await stat(file)).mtime }, championProblem: undefined }
}
