import { tmpdir } from 'node:os'
import { isRunFolder, makeRunFolder, removeRunFolder } from '../runFolder.mjs'

/**
 * Gives a run that was not started by `npm test`, such as `npx vitest run test/api`, a temporary directory of its own, and fails it for
 * what is left there. Runs beside it have theirs.
 */
export default function setup(): (() => Promise<void>) | undefined {
  if (isRunFolder(tmpdir())) return undefined
  const folder = makeRunFolder()
  process.env.TMPDIR = folder
  return async () => {
    const left = await removeRunFolder(folder)
    for (const line of left) process.stderr.write(`LEFT BEHIND: ${line}\n`)
    if (left.length > 0) process.exitCode = 1
  }
}
