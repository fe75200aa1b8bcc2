import { existsSync, readdirSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { ArtifactCache, type CachedVersion } from '../../../../src/releases/mlflow/artifactCache.js'
import { testFolder } from '../../../support/folder.js'

const root = testFolder('cache')
const A_DAY_MS = 24 * 3_600_000
let cache: ArtifactCache
let directory: string
let count = 0
beforeEach(() => {
  directory = join(root, String(++count))
  cache = new ArtifactCache(directory)
})

async function* piecesOf(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text)
}

/** A version with a file of its own, and one that it shares with all others. */
async function remember(model: string, version: string, alias?: string): Promise<CachedVersion> {
  const own = { path: 'model.onnx', ...(await cache.keep(piecesOf(`${model} ${version}`))) }
  const shared = { path: 'contract.json', ...(await cache.keep(piecesOf('the contract'))) }
  const made = { name: model, version, source: 'models:/m-1', files: [own, shared] }
  await cache.remember(`${model}/${version}`, made)
  if (alias !== undefined) await cache.remember(`${model}@${alias}`, made)
  return made
}

const folders = () => ['files', 'versions'].map(folder => join(directory, folder)).filter(existsSync)
const filesIn = (folder: string) => readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())

/** Everything in the cache becomes a day older. */
function age(): void {
  const old = (Date.now() - A_DAY_MS - 1_000) / 1_000
  for (const folder of folders()) {
    for (const { parentPath, name } of filesIn(folder)) utimesSync(join(parentPath, name), old, old)
  }
}

const known = async (...names: string[]) => {
  const found = await Promise.all(names.map(name => cache.recall(name)))
  return names.filter((_name, i) => found[i])
}

describe('a cache that is emptied', () => {
  it('keeps the versions of each model that were used last, and no file that only others had', async () => {
    for (const version of ['1', '2', '3']) await remember('loans', version)
    await remember('rent', '1')
    age()
    // The first is used again.
    await known('loans/1', 'loans/3')
    await cache.removeUnused(2, [])
    expect(await known('loans/1', 'loans/2', 'loans/3', 'rent/1')).toEqual(['loans/1', 'loans/3', 'rent/1'])
    // The three own files, and the shared one.
    expect(filesIn(folders()[0] as string)).toHaveLength(4)
  })

  it('keeps what is followed, however long ago it came', async () => {
    await remember('loans', '1', 'champion')
    await remember('loans', '2', 'other')
    age()
    for (const version of ['3', '4', '5']) await remember('loans', version)
    await cache.removeUnused(2, ['loans@champion'])
    expect(await known('loans@champion', 'loans@other', 'loans/3', 'loans/4', 'loans/5')).toEqual([
      'loans@champion',
      'loans/4',
      'loans/5',
    ])
  })

  it('leaves a file alone that has just come: its version may still be fetched', async () => {
    const { sha256 } = await cache.keep(piecesOf('of a version that comes'))
    await cache.removeUnused(2, [])
    expect(filesIn(folders()[0] as string).map(({ name }) => name)).toEqual([sha256])
    age()
    await cache.removeUnused(2, [])
    expect(filesIn(folders()[0] as string)).toEqual([])
  })

  it('may be empty', async () => {
    await cache.removeUnused(2, [])
  })
})
