import { constants, openSync } from 'node:fs'
import { open, realpath, rename, rm, stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

// Nobody has opened the pipe for reading yet.
const NO_READER = 'ENXIO'
const READER_PAUSE_MS = 100

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
  return { write: writerTo(process.stdout), keep: async () => {}, discard: async () => {} }
}

function writerTo(stream: Writable): Output['write'] {
  // Ignored here, because each failure reaches the callback of its own write.
  stream.on('error', () => {})
  const failure = (error: NodeJS.ErrnoException) => (error.code === 'EPIPE' ? new ReaderGoneError() : error)
  return text =>
    new Promise((resolve, reject) => {
      stream.write(text, error => (error ? reject(failure(error)) : resolve()))
    })
}

/**
 * A pipe with a name, which waits for its reader as a socket does. The end of the process would wait for a write or an open of
 * `fs`, and a reader that stops must not hold it up.
 */
async function pipeOutput(file: string): Promise<Output> {
  const pipe = new Socket({ fd: await openPipe(file), readable: false, writable: true })
  return {
    write: writerTo(pipe),
    keep: () => new Promise(resolve => pipe.end(resolve)),
    discard: async () => void pipe.destroy(),
  }
}

async function openPipe(file: string): Promise<number> {
  for (;;) {
    try {
      return openSync(file, constants.O_WRONLY | constants.O_NONBLOCK)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== NO_READER) throw error
    }
    await sleep(READER_PAUSE_MS)
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
  if (present?.isFIFO()) return pipeOutput(file).catch(explained)
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
