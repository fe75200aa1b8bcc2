import { open, realpath, rename, rm, stat } from 'node:fs/promises'

/** Where an export goes. */
export interface Output {
  /** Resolves when the text is written, at whatever speed the reader takes it. */
  write(text: string): Promise<void>
  /** To be called after the last text. Keeps the output. */
  keep(): Promise<void>
  /** Removes a file that was not kept. */
  discard(): Promise<void>
}

/** Nobody reads standard output any more, as behind `| head`. */
export class ReaderGoneError extends Error {}

export function standardOutput(): Output {
  // Ignored here, because each failure reaches the callback of its own write.
  process.stdout.on('error', () => {})
  const failure = (error: NodeJS.ErrnoException) => (error.code === 'EPIPE' ? new ReaderGoneError() : error)
  return {
    write: text =>
      new Promise((resolve, reject) => {
        process.stdout.write(text, error => (error ? reject(failure(error)) : resolve()))
      }),
    keep: async () => {},
    discard: async () => {},
  }
}

/**
 * Writes a draft beside the file and renames it at the end, so that nobody takes half an export for a whole one. Only its owner
 * may read it. A path that exists and is no file, such as a pipe or /dev/null, is written to directly: a rename would put a file
 * in its place.
 */
export async function fileOutput(file: string): Promise<Output> {
  const explained = (error: NodeJS.ErrnoException): never => {
    throw new Error(`--output: ${file} cannot be written (${error.code}).`, { cause: error })
  }
  const present = await stat(file).catch(() => undefined)
  if (present && !present.isFile()) {
    const handle = await open(file, 'w').catch(explained)
    const close = () => handle.close().catch(() => {})
    return { write: text => handle.appendFile(text).catch(explained), keep: close, discard: close }
  }
  // A link is followed to its file.
  const target = present ? await realpath(file).catch(explained) : file
  const draft = `${target}.${process.pid}.part`
  const handle = await open(draft, 'wx', 0o600).catch(explained)
  const keep = async () => {
    await handle.sync()
    await handle.close()
    await rename(draft, target)
  }
  return {
    write: text => handle.appendFile(text).catch(explained),
    keep: () => keep().catch(explained),
    discard: async () => {
      await handle.close().catch(() => {})
      await rm(draft, { force: true })
    },
  }
}
