import { readFile } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { GraphInput } from '../../scoring/manifest.js'
import type { VersionFolder } from '../intake/versionFolder.js'
import type { ArtifactCache, CachedFile, CachedVersion } from './artifactCache.js'
import { type Bundle, copyBundle, findBundle, readBundle } from './bundle.js'
import { MlflowError } from './mlflowError.js'
import { readMlmodel, type SignatureColumn } from './mlmodel.js'
import { signatureProblems } from './signatureProblems.js'

export interface FollowedBundle extends VersionFolder {
  /** Remembers its files: from now on a version of this name must have the same. */
  readonly accept: () => Promise<void>
}

/**
 * Makes the folder of a followed version below a folder to work in.
 * @throws MlflowError where it is no bundle, where its signature does not fit, or where its bundle had other files before
 */
export async function followedBundle(version: CachedVersion, cache: ArtifactCache, work: string): Promise<FollowedBundle> {
  const artifacts = join(work, 'artifacts')
  await cache.writeTo(artifacts, version.files)
  const found = findBundle(artifacts)
  if (found === undefined) {
    throw new MlflowError(
      'UNSUPPORTED',
      'The version is no bundle: it has no manifest.json. Make one with `riskgate model init --from-mlflow`, and log its folder.',
    )
  }
  const bundle = await readBundle(found)
  const directory = join(work, 'version')
  await copyBundle(bundle, directory)
  await checkSignature(artifacts, bundle)
  const { model, version: name } = bundle.manifest
  const files = digestsIn(version, bundle, relative(artifacts, found))
  const before = await cache.recall(nameInCache(bundle.manifest))
  if (before && !isDeepStrictEqual(before.files, files)) {
    throw new MlflowError(
      'UNSUPPORTED',
      `Version ${name} of ${model} had other files before. A version never changes: log it under another name.`,
    )
  }
  const accept = () => cache.remember(nameInCache(bundle.manifest), { ...version, files })
  return { model, version: name, directory, contractFile: join(directory, 'contract.json'), accept }
}

/** The files that the answers of a version depend on; texts of the contract and the card may change. */
function digestsIn({ files }: CachedVersion, { manifest: { onnx } }: Bundle, folder: string): CachedFile[] {
  const names = ['manifest.json', 'golden.jsonl', onnx.file, ...(onnx.external ?? []).map(({ file }) => file)]
  const paths = names.map(name => (folder === '' ? name : `${folder}/${name}`))
  return files.filter(({ path }) => paths.includes(path)).map(file => ({ ...file, path: basename(file.path) }))
}

function nameInCache({ model, version }: Bundle['manifest']): string {
  return `bundle ${model}/${version}`
}

/** A signature names either the features of the contract or the inputs of the graph. */
async function checkSignature(artifacts: string, { manifest, contract }: Bundle): Promise<void> {
  const text = await readFile(join(artifacts, 'MLmodel'), 'utf8').catch(() => undefined)
  const signature = text === undefined ? undefined : readMlmodel(text).signature
  if (!signature || !contract || fits(signature, manifest.onnx.inputs)) return
  const problems = signatureProblems(signature, contract)
  if (problems.length > 0)
    throw new MlflowError('UNSUPPORTED', `The signature does not fit the contract: ${problems.join('; ')}.`)
}

function fits(signature: readonly SignatureColumn[], inputs: readonly GraphInput[]): boolean {
  const given = signature.map(({ name, type, width }) => [name, type === 'object' ? 'string' : type, width])
  const wanted = inputs.map(({ name, type, columns }) => [name, type, columns.length])
  return isDeepStrictEqual(given, wanted)
}
