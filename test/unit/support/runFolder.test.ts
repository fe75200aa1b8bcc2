import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { exists, isRunFolder, makeRunFolder, removeRunFolder } from '../../runFolder.mjs'

it('this run has a folder of its own', () => {
  expect(isRunFolder(tmpdir())).toBe(true)
})

it.skipIf(process.platform !== 'linux')(
  'the folder of a run goes, and what was left in it is named: folders, files and processes',
  async () => {
    const folder = makeRunFolder()
    mkdirSync(join(folder, 'riskgate-state-x'))
    writeFileSync(join(folder, 'a.log'), '')
    const child = spawn('sleep', ['600'], { env: { TMPDIR: folder, PATH: process.env.PATH } })
    const ended = once(child, 'exit')
    const left = await removeRunFolder(folder, 0)
    expect(left.sort()).toEqual(['folder a.log', 'folder riskgate-state-x', `process ${child.pid}: sleep 600`])
    await ended
    expect([existsSync(folder), exists(child.pid as number)]).toEqual([false, false])
  },
)

it('a folder that everything has left goes without a word, while others run', async () => {
  const [folder, other] = [makeRunFolder(), makeRunFolder()]
  expect(await removeRunFolder(folder, 0)).toEqual([])
  expect(existsSync(other)).toBe(true)
  await removeRunFolder(other, 0)
})
