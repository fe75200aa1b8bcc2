import type { RegistryVersion } from './answers.js'
import type { ArtifactCache, CachedVersion } from './artifactCache.js'
import { servedFolder } from './artifactUri.js'
import { downloadFolder, FOLDER_LIMITS, type FolderLimits } from './downloadFolder.js'
import type { MlflowClient } from './mlflowClient.js'
import { MlflowError } from './mlflowError.js'
import { type ModelUri, textOf } from './modelUri.js'

export interface FetchedVersion {
  readonly version: CachedVersion
  /** Why MLflow was not asked; undefined where it answered. */
  readonly offline: string | undefined
}

/**
 * Fetches the files of a registered version into the cache, each version once. Where MLflow cannot be reached, the version that the
 * same name had at the last time.
 * @throws MlflowError where MLflow refuses it, or cannot be reached and nothing is in the cache
 */
export async function fetchVersion(
  client: MlflowClient,
  uri: ModelUri,
  cache: ArtifactCache,
  limits: FolderLimits = FOLDER_LIMITS,
): Promise<FetchedVersion> {
  try {
    const version = await fetchRegistered(client, uri, await askVersion(client, uri), cache, limits)
    return { version, offline: undefined }
  } catch (error) {
    if (!(error instanceof MlflowError) || error.code !== 'UNREACHABLE') throw error
    const version = await lastFetched(client, uri, cache)
    if (!version) throw error
    return { version, offline: error.message }
  }
}

/** The version that a URI names. @throws MlflowError where it is another one, or not registered to its end */
export async function askVersion(client: MlflowClient, uri: ModelUri): Promise<RegistryVersion> {
  const found = await client.version(uri)
  refuseOther(found, uri)
  return found
}

/** The files of the version that a URI has turned out to name. */
export async function fetchRegistered(
  client: MlflowClient,
  uri: ModelUri,
  found: RegistryVersion,
  cache: ArtifactCache,
  limits: FolderLimits,
): Promise<CachedVersion> {
  await cache.tidy()
  const { name, version, source, createdAtMs, runId } = found
  const ofNumber = nameInCache(client, { name, version })
  const known = await cache.recall(ofNumber)
  const isSame = known && known.source === source && known.createdAtMs === createdAtMs
  const fetched = isSame
    ? known
    : {
        name,
        version,
        source,
        files: await downloadFolder(client, servedFolder(await client.downloadUri(found)), cache, limits),
        ...(createdAtMs !== undefined && { createdAtMs }),
        ...(runId !== undefined && { runId }),
      }
  if (!isSame) await cache.remember(ofNumber, fetched)
  await cache.remember(nameInCache(client, uri), fetched)
  return fetched
}

/** The version that a URI named when MLflow was last asked. */
export function lastFetched(client: MlflowClient, uri: ModelUri, cache: ArtifactCache): Promise<CachedVersion | undefined> {
  return cache.recall(nameInCache(client, uri))
}

/** Only the version that was asked for, registered to its end. */
function refuseOther({ name, version, status, statusMessage }: RegistryVersion, uri: ModelUri): void {
  if (name !== uri.name || ('version' in uri && version !== uri.version)) {
    throw new MlflowError('BAD_ANSWER', `MLflow answers with another version than ${textOf(uri)}.`)
  }
  if (status === 'READY') return
  const why = statusMessage === undefined ? '' : `: ${statusMessage.replace(/[\p{Cc}\s]+/gu, ' ').slice(0, 200)}`
  const what = status.startsWith('FAILED')
    ? `could not be registered${why}. Register it again.`
    : `is not registered to its end (${status.slice(0, 40)}). Try again when it is READY.`
  throw new MlflowError('NOT_READY', `Version ${version} of ${name} ${what}`)
}

/** Two servers may have models of the same name. */
export function nameInCache(client: MlflowClient, uri: ModelUri): string {
  return `${client.url.origin}${client.url.pathname} ${textOf(uri)}`
}
