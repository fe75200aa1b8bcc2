import { fstatSync, write } from 'node:fs'
import { isatty } from 'node:tty'

/** Calls back when the text is written, or with an error when it is lost. */
export type LogSink = (text: string, done: (error?: Error | null) => void) => void

const STDOUT = 1

/**
 * Standard output, whose reader may stop: a write that waits holds up neither this thread nor the end of the process. A process
 * does not end before a write of `fs` does, so only files are written by `fs`.
 */
export function standardOutput(): LogSink {
  if (!waitsForReader()) return (text, done) => writeAll(Buffer.from(text), done)
  const { stdout } = process
  // Node itself waits for a terminal at each write: a Ctrl-S there would stop this thread.
  ;(stdout as { _handle?: { setBlocking?: (blocks: boolean) => void } })._handle?.setBlocking?.(false)
  return (text, done) => stdout.write(text, done)
}

/** Whether it is a pipe, a socket or a terminal. */
function waitsForReader(): boolean {
  const status = fstatSync(STDOUT)
  return isatty(STDOUT) || !(status.isFile() || status.isCharacterDevice())
}

function writeAll(bytes: Buffer, done: (error?: Error | null) => void): void {
  write(STDOUT, bytes, (error, written) => {
    if (error || written >= bytes.length) done(error)
    else writeAll(bytes.subarray(written), done)
  })
}
