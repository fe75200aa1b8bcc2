import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import type { ModelManifest } from '../../scoring/manifest.js'
import { inlineExternalData } from '../../scoring/onnx/externalData.js'
import { saidBy } from '../../scoring/onnx/runtimeSentence.js'
import { readBytes } from '../files/readFiles.js'

/** A folder of a version. */
export interface VersionPlace {
  readonly directory: string
  /** What problems call the folder, such as consumer-credit/2. */
  readonly name: string
}

/** A file of a version by its content. */
export interface FileDigest {
  readonly name: string
  readonly sha256: string
}

export type GraphBytes = { readonly bytes: Uint8Array } | { readonly problem: string }
type Named = ModelManifest['onnx']['external'] extends (infer File)[] | undefined ? File : never

/** The files that decide what a version answers, or how it is checked: manifest, graph, its large tensors, golden rows. */
export async function digestsOf({ directory }: VersionPlace, manifest: ModelManifest | undefined): Promise<FileDigest[]> {
  const graph = manifest ? [manifest.onnx.file, ...(manifest.onnx.external ?? []).map(({ file }) => file)] : []
  const names = [...new Set(['manifest.json', 'golden.jsonl', ...graph])]
  const digests = await Promise.all(names.map(name => digestOf(join(directory, name))))
  return names.flatMap((name, i) => {
    const sha256 = digests[i]
    return sha256 === undefined ? [] : [{ name, sha256 }]
  })
}

/** The graph of a version, with the large tensors that it keeps in files beside it. */
export async function readGraph(place: VersionPlace, { onnx }: Pick<ModelManifest, 'onnx'>): Promise<GraphBytes> {
  const graph = await readChecked(place, onnx)
  if ('problem' in graph) return graph
  const files = new Map<string, Uint8Array>()
  for (const external of onnx.external ?? []) {
    const read = (await isWithin(place.directory, external.file))
      ? await readChecked(place, external)
      : { problem: `${place.name}/${external.file} is a link to a file outside of its folder. Copy the file into the folder.` }
    if ('problem' in read) return read
    files.set(external.file, read.bytes)
  }
  try {
    return { bytes: inlineExternalData(graph.bytes, files) }
  } catch (error) {
    return { problem: `${place.name}/${onnx.file} cannot be loaded: ${saidBy(error)}.` }
  }
}

async function readChecked({ directory, name }: VersionPlace, { file, sha256 }: Named): Promise<GraphBytes> {
  const read = await readBytes(join(directory, file), `${name}/${file}`)
  if ('problem' in read) return read
  if (createHash('sha256').update(read.bytes).digest('hex') === sha256) return read
  return {
    problem: `${name}/${file} does not have the SHA-256 of its manifest. Copy the version again, or correct its manifest.`,
  }
}

/** Whether a file is in its folder, also behind links. One that does not exist is missing, which is another problem. */
async function isWithin(directory: string, file: string): Promise<boolean> {
  const [folder, real] = await Promise.all([directory, join(directory, file)].map(path => realpath(path).catch(() => undefined)))
  return folder === undefined || real === undefined || real.startsWith(folder + sep)
}

/** Reads in small parts, so that a large file does not hold the event loop. Undefined where there is no such file. */
async function digestOf(file: string): Promise<string | undefined> {
  try {
    if (!(await stat(file)).isFile()) return undefined
    const hash = createHash('sha256')
    for await (const part of createReadStream(file)) hash.update(part)
    return hash.digest('hex')
  } catch {
    return undefined
  }
}
