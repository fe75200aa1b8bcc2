import type { ArtifactCache, CachedFile } from './artifactCache.js'
import { checkDistinct, checkName } from './artifactNames.js'
import type { MlflowClient } from './mlflowClient.js'
import { MlflowError } from './mlflowError.js'

/** What the folder of a version may be. */
export interface FolderLimits {
  readonly maxFiles: number
  readonly maxBytes: number
  readonly maxDepth: number
  /** For the whole folder. */
  readonly timeoutMs: number
}

// A model of 2,000 deep trees has 200 MB; the folder of an onnx flavour has five to ten files.
export const FOLDER_LIMITS: FolderLimits = { maxFiles: 200, maxBytes: 1024 ** 3, maxDepth: 6, timeoutMs: 15 * 60_000 }

export function folderLimits(maxBytes: number, timeoutMs: number): FolderLimits {
  return { ...FOLDER_LIMITS, maxBytes, timeoutMs }
}

interface Listed {
  readonly path: string
  readonly bytes: number | undefined
}

/** Downloads a whole folder of artifacts into the cache. @throws MlflowError, with nothing kept of a file that is not whole */
export async function downloadFolder(
  client: MlflowClient,
  folder: string,
  cache: ArtifactCache,
  limits: FolderLimits,
): Promise<CachedFile[]> {
  const end = new AbortController()
  const timer = setTimeout(() => end.abort(), limits.timeoutMs)
  try {
    const listed = await listFolder(client, folder, limits, end.signal)
    const files: CachedFile[] = []
    let left = limits.maxBytes
    for (const file of listed) {
      const pieces = client.downloadArtifact(`${folder}/${file.path}`, end.signal)
      const kept = await cache.keep(bounded(pieces, file, left))
      left -= kept.bytes
      files.push({ path: file.path, ...kept })
    }
    return files
  } catch (error) {
    if (!end.signal.aborted) throw error
    throw new MlflowError('UNREACHABLE', `The files of the version did not arrive within ${limits.timeoutMs / 1_000} s.`)
  } finally {
    clearTimeout(timer)
  }
}

/** Every file below a folder, by its path in it. */
async function listFolder(client: MlflowClient, root: string, limits: FolderLimits, end: AbortSignal): Promise<Listed[]> {
  const { maxFiles, maxBytes, maxDepth } = limits
  const files: Listed[] = []
  const folders: string[][] = [[]]
  let seen = 0
  for (let folder = folders.shift(); folder; folder = folders.shift()) {
    end.throwIfAborted()
    for (const { path, is_dir, file_size } of await client.listArtifacts([root, ...folder].join('/'))) {
      checkName(path)
      if (++seen > maxFiles) throw new MlflowError('TOO_LARGE', `The version has more than ${maxFiles} files and folders.`)
      const place = [...folder, path]
      if (place.length > maxDepth) throw new MlflowError('TOO_LARGE', `The version has folders more than ${maxDepth} deep.`)
      if (is_dir) folders.push(place)
      else files.push({ path: place.join('/'), bytes: file_size })
    }
  }
  if (files.length === 0) throw new MlflowError('NOT_FOUND', 'MLflow lists no files for the version.')
  checkDistinct(files.map(({ path }) => path))
  if (files.reduce((sum, { bytes = 0 }) => sum + bytes, 0) > maxBytes) throw tooLarge(maxBytes)
  return files
}

/** The pieces of a file, which must have the size of the listing. */
async function* bounded(pieces: AsyncIterable<Uint8Array>, { path, bytes }: Listed, left: number): AsyncGenerator<Uint8Array> {
  let got = 0
  for await (const piece of pieces) {
    got += piece.length
    if (got > left) throw tooLarge(left)
    if (bytes !== undefined && got > bytes) break
    yield piece
  }
  if (bytes === undefined || got === bytes) return
  throw new MlflowError('BAD_ANSWER', `${path} does not have the ${bytes} bytes that MLflow lists for it.`)
}

function tooLarge(bytes: number): MlflowError {
  return new MlflowError('TOO_LARGE', `The files of the version have more than the ${bytes} bytes that are allowed.`)
}
