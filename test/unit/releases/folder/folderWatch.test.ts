import { cp, mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FolderWatch } from '../../../../src/releases/folder/folderWatch.js'

describe('FolderWatch', () => {
  let models: string
  let watch: FolderWatch
  beforeEach(async () => {
    models = await mkdtemp(join(tmpdir(), 'riskgate-watch-'))
    await mkdir(join(models, 'loans', '1'), { recursive: true })
    await writeFile(join(models, 'loans', 'champion'), '1')
    await writeFile(join(models, 'loans', '1', 'model.onnx'), 'graph')
    watch = await FolderWatch.begin(models)
  })
  afterEach(() => rm(models, { recursive: true }))

  /** What two looks after a change say: the first sees it move, the second sees it stand still. */
  const changed = (of = watch) => of.ifChanged(async () => {})
  const looks = async () => [await changed(), await changed(), await changed()]

  it('an unchanged folder has not changed', async () => {
    expect(await looks()).toEqual([false, false, false])
  })

  it.each<[string, () => Promise<unknown>]>([
    ['a new version', () => cp(join(models, 'loans', '1'), join(models, 'loans', '2'), { recursive: true })],
    ['another champion', () => writeFile(join(models, 'loans', 'champion'), '2')],
    ['a file of the same size with another time', () => utimes(join(models, 'loans', '1', 'model.onnx'), 1, 1)],
    ['a version that is gone', () => rm(join(models, 'loans', '1'), { recursive: true })],
    ['a model that is gone', () => rm(join(models, 'loans'), { recursive: true })],
    ['a folder behind a new link', () => symlink(join(models, 'loans'), join(models, 'linked'))],
  ])('%s is told once, when it stands still', async (_, change) => {
    await change()
    expect(await looks()).toEqual([false, true, false])
  })

  it('work that fails is done again, as while the database is away', async () => {
    await writeFile(join(models, 'loans', 'champion'), '2')
    await changed()
    const fails = () => watch.ifChanged(() => Promise.reject(new Error('away')))
    await expect(fails()).rejects.toThrow('away')
    await expect(fails()).rejects.toThrow('away')
    expect([await changed(), await changed()]).toEqual([true, false])
  })

  it('files that are still being copied are waited for', async () => {
    for (const text of ['a', 'ab', 'abc']) {
      await writeFile(join(models, 'loans', '1', 'golden.jsonl'), text)
      expect(await changed()).toBe(false)
    }
    expect(await changed()).toBe(true)
  })

  it('a mounted volume, which changes where a link leads, has changed', async () => {
    const volume = await mkdtemp(join(tmpdir(), 'riskgate-volume-'))
    await cp(models, join(volume, 'first'), { recursive: true })
    await cp(models, join(volume, 'second'), { recursive: true })
    await symlink(join(volume, 'first'), join(volume, '..data'))
    const mounted = await FolderWatch.begin(join(volume, '..data'))
    await symlink(join(volume, 'second'), join(volume, '..next'))
    await rename(join(volume, '..next'), join(volume, '..data'))
    expect([await changed(mounted), await changed(mounted)]).toEqual([false, true])
    await rm(volume, { recursive: true })
  })

  it('a folder that goes and comes back has not changed for good', async () => {
    await rename(models, `${models}-away`)
    expect(await changed()).toBe(false)
    await rename(`${models}-away`, models)
    expect([await changed(), await changed()]).toEqual([false, false])
  })
})
