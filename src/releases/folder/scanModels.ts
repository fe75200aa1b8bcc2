import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { VERSION_NAME } from '../../scoring/manifest.js'
import { type ModelFolder, readModelFolder, readModelFolders, subfolders } from '../files/modelFolders.js'
import { isThere, readText } from '../files/readFiles.js'
import type { VersionFolder } from '../intake/versionFolder.js'

/** What the file `champion` of a model says. */
export interface FolderChampion {
  readonly version: string
  /** When the file was last written. */
  readonly saidAt: Date
}

export interface ScannedModel extends ModelFolder {
  /** The champion comes first: the others are compared with it. */
  readonly versions: readonly VersionFolder[]
  /** Undefined where the file is missing or names nothing that can be a version: `championProblems` say so. */
  readonly champion: FolderChampion | undefined
  readonly championProblems: readonly string[]
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
  const scanned = await Promise.all(models.map(scanVersions))
  return { models: scanned.flatMap(({ models }) => models), strays: [...strays, ...scanned.flatMap(({ strays }) => strays)] }
}

/** Lists the versions of one model, without a look at the others. */
export async function scanModel(directory: string): Promise<ModelScan> {
  return scanVersions(await readModelFolder(dirname(directory), basename(directory)))
}

async function scanVersions(folder: ModelFolder): Promise<ModelScan> {
  const { name, directory } = folder
  const said = await readChampion(folder)
  const contractFile = join(directory, 'contract.json')
  const folders = await subfolders(directory)
  const areVersions = await Promise.all(folders.map(version => isThere(join(directory, version, 'manifest.json'))))
  // A champion stands out as a version that cannot be read, not as a stray folder or as nothing.
  const named = said.champion ? [said.champion.version] : []
  const strays = folders.filter((version, i) => !areVersions[i] && !named.includes(version))
  const names = new Set([...named, ...folders.filter(version => !strays.includes(version))])
  const versions = [...names].map(version => ({ model: name, version, directory: join(directory, version), contractFile }))
  return { models: [{ ...folder, ...said, versions }], strays: strays.map(version => `${name}/${version}`) }
}

async function readChampion({ name, directory }: ModelFolder): Promise<Pick<ScannedModel, 'champion' | 'championProblems'>> {
  const file = join(directory, 'champion')
  const read = await readText(file, `${name}/champion`)
  if ('problem' in read) return { champion: undefined, championProblems: [read.problem] }
  const version = read.text.trim()
  if (!VERSION_NAME.test(version))
    return { champion: undefined, championProblems: [`${name}/champion must name the version that serves.`] }
  return { champion: { version, saidAt: (await stat(file)).mtime }, championProblems: [] }
}
