import { join } from 'node:path'
import { ConfigError } from '../errors.js'
import { VERSION_NAME } from '../scoring/manifest.js'
import { type InstalledVersion, Release } from '../scoring/release.js'
import type { Tracer } from '../tracer.js'
import type { Admission, VersionToCheck } from './admission/admission.js'
import type { AdmissionReport } from './admission/admissionReport.js'
import { loadAdmitted } from './admission/loadAdmitted.js'
import { readVersion } from './admission/readVersion.js'
import { type ModelFolder, readModelFolders, subfolders } from './modelFiles.js'
import { type ModelEntry, ModelRegistry } from './modelRegistry.js'
import { isThere, readText } from './readFiles.js'
import { saidBy } from './runtimeSentence.js'
import { type ScorerWatch, watchedScorer } from './watchedScorer.js'

export interface LoadOptions extends ScorerWatch {
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined
  /** What checks the versions. */
  readonly admission: Admission
  /** Gives up checks that still run. */
  readonly signal?: AbortSignal | undefined
}

export interface ModelFolderOptions extends LoadOptions {
  readonly directory: string
}

export interface LoadedModel {
  readonly name: string
  /** Undefined where the model has no valid contract. */
  readonly entry: ModelEntry | undefined
  /** The reasons why no version of the model serves; none where one does. */
  readonly problems: readonly string[]
  /** What the checks of its versions found. */
  readonly reports: readonly AdmissionReport[]
}

type LoadedVersion = InstalledVersion & {
  readonly release: Release | undefined
  /** Undefined where the manifest could not be read. */
  readonly report: AdmissionReport | undefined
}
type ModelWithContract = ModelFolder & { readonly contract: NonNullable<ModelFolder['contract']> }

/**
 * Loads every model of a folder: <name>/contract.json, <name>/champion (the version that serves) and <name>/<version>/. A version
 * that fails its checks is REJECTED, and its neighbours go on. So do the other models where a whole model is out.
 * @throws ConfigError where no model can serve, with every problem, each naming its file
 */
export async function loadModelFolder(options: ModelFolderOptions): Promise<ModelRegistry> {
  const { directory, warn } = options
  const { models, strays } = await readModelFolders(directory)
  for (const folder of strays) warn('a folder holds no model and is passed over', { folder })
  const loaded: LoadedModel[] = []
  for (const folder of models) loaded.push(await loadModel(folder, options).catch(error => notLoaded(folder, error)))
  // A model whose checks were given up has no problem.
  options.signal?.throwIfAborted()
  if (!loaded.some(({ entry }) => entry?.champion)) {
    const problems = loaded.flatMap(model => model.problems)
    throw new ConfigError([`RISKGATE_MODELS_DIR: no model in ${directory} can serve.`, ...problems])
  }
  for (const { name, problems } of loaded) {
    for (const problem of problems) warn('a model does not serve', { model: name, problem })
  }
  return new ModelRegistry(
    loaded.flatMap(({ entry }) => entry ?? []),
    loaded.filter(({ entry }) => !entry),
  )
}

/** One model that fails in a way that nobody has thought of must not stop the others. */
export function notLoaded({ name }: ModelFolder, error: unknown): LoadedModel {
  return { name, entry: undefined, problems: [`${name} cannot be read: ${saidBy(error)}.`], reports: [] }
}

/** Loads and checks one model with all its versions. */
export async function loadModel(folder: ModelFolder, options: LoadOptions): Promise<LoadedModel> {
  const { name, contract } = folder
  if (!contract) return { name, entry: undefined, problems: folder.problems, reports: [] }
  const read = await readText(join(folder.directory, 'champion'), `${name}/champion`)
  const championName = 'text' in read ? read.text.trim() : ''
  const model = { ...folder, contract }
  const names = await versionFolders(folder, championName, options)
  const champion = names.includes(championName)
    ? await loadVersion(model, championName, { isChampion: true, champion: undefined }, options)
    : undefined
  const served = champion?.release && { directory: join(folder.directory, championName), manifest: champion.release.manifest }
  const versions: LoadedVersion[] = []
  for (const version of names) {
    const isChampion = version === championName
    versions.push(
      isChampion && champion ? champion : await loadVersion(model, version, { isChampion, champion: served }, options),
    )
  }
  const release = champion?.release
  const noChampion = 'problem' in read ? read.problem : `${name}/champion must name the version that serves.`
  const entry = { contract, champion: release, versions: versions.map(({ release: _, report: __, ...installed }) => installed) }
  const reports = versions.flatMap(({ report }) => report ?? [])
  return { name, entry, problems: release ? [] : (champion?.problems ?? [noChampion]), reports }
}

/** The folders of versions, and the champion whether there is a folder of it or not. */
async function versionFolders({ name, directory }: ModelFolder, champion: string, { warn }: LoadOptions): Promise<string[]> {
  const folders = await subfolders(directory)
  const manifests = await Promise.all(folders.map(folder => isThere(join(directory, folder, 'manifest.json'))))
  const strays = folders.filter((folder, i) => folder !== champion && !manifests[i])
  for (const folder of strays) warn('a folder holds no model version and is passed over', { folder: `${name}/${folder}` })
  const versions = folders.filter(folder => !strays.includes(folder))
  const isAbsent = VERSION_NAME.test(champion) && !versions.includes(champion)
  return isAbsent ? [...versions, champion] : versions
}

async function loadVersion(
  { name: model, directory: parent, contract }: ModelWithContract,
  version: string,
  { isChampion, champion }: { readonly isChampion: boolean; readonly champion: VersionToCheck['champion'] },
  options: LoadOptions,
): Promise<LoadedVersion> {
  const rejected = (
    problems: readonly string[],
    manifest?: LoadedVersion['manifest'],
    report?: AdmissionReport,
  ): LoadedVersion => {
    // Those of a champion are told with its model.
    if (!isChampion) for (const problem of problems) options.warn('a model version is rejected', { model, version, problem })
    return { model, version, stage: 'REJECTED', manifest, problems, warnings: [], release: undefined, report }
  }
  const read = await readVersion(join(parent, version), version, contract)
  const { manifest } = read
  if (!manifest) return rejected(read.problems)
  const toCheck = { ...read, manifest, champion }
  const report = await options.admission.check(toCheck, options.signal)
  const problems = isChampion ? [...report.problems, ...report.championProblems] : report.problems
  if (problems.length > 0) return rejected(problems, manifest, report)
  const warnings = isChampion ? report.warnings : [...report.championProblems, ...report.warnings]
  for (const says of warnings) options.warn('the checks of a model version leave a warning', { model, version, says })
  const installed = { model, version, manifest, problems, warnings, report }
  if (!isChampion) return { ...installed, stage: 'CANDIDATE', release: undefined }
  try {
    const graph = await loadAdmitted(toCheck, report)
    const release = new Release(contract, manifest, watchedScorer(graph, manifest, options), options.tracer)
    return { ...installed, stage: 'CHAMPION', release }
  } catch (error) {
    return rejected([saidBy(error)], manifest, report)
  }
}
