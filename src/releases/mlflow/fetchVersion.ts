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
  await cache.tidy()
  const name = nameInCache(client, uri)
  try {
    const version = await fetchOnline(client, uri, cache, limits)
    await cache.remember(name, version)
    return { version, offline: undefined }
  } catch (error) {
    if (!(error instanceof MlflowError) || error.code !== 'UNREACHABLE') throw error
    const version = await cache.recall(name)
    if (!version) throw error
    return { version, offline: error.message }
  }
}

async function fetchOnline(
  client: MlflowClient,
  uri: ModelUri,
  cache: ArtifactCache,
  limits: FolderLimits,
): Promise<CachedVersion> {
  const found = await client.version(uri)
  refuseOther(found, uri)
  const { name, version, source, createdAtMs, runId } = found
  const ofNumber = nameInCache(client, { name, version })
  const known = await cache.recall(ofNumber)
  if (known && known.source === source && known.createdAtMs === createdAtMs) return known
  const folder = servedFolder(await client.downloadUri(found))
  const files = await downloadFolder(client, folder, cache, limits)
  const fetched = {
    name,
    version,
    source,
    files,
    ...(createdAtMs !== undefined && { createdAtMs }),
    ...(runId !== undefined && { runId }),
  }
  await cache.remember(ofNumber, fetched)
  return fetched
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
function nameInCache(client: MlflowClient, uri: ModelUri): string {
  return `${client.url.origin}${client.url.pathname} ${textOf(uri)}`
}
