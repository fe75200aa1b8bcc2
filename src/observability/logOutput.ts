import { setTimeout as sleep } from 'node:timers/promises'
import type { LogSink } from './logSink.js'

const CHUNK_CHARACTERS = 16_384
// Some seconds of a busy gateway. More is lost: a reader that stops must not fill the memory.
export const MAX_WAITING_CHARACTERS = 4_194_304
// A reader that has stopped must not hold up the end of the process.
const LAST_FLUSH_MS = 500

export interface LogOutputOptions {
  readonly sink: LogSink
  /** Called for lines that are lost. */
  readonly lost: (lines: number) => void
  /** Called with the number of lost lines once a line is written again. */
  readonly recovered: (lostLines: number) => void
}

/** Hands lines on in chunks, off the request path. Lines that do not fit into its memory are lost and counted. */
export class LogOutput {
  readonly #options: LogOutputOptions
  #lines: string[] = []
  #length = 0
  /** The characters that the sink has taken and not written yet. */
  #writing = 0
  #written: Promise<void> = Promise.resolve()
  #lostLines = 0
  #isCut = false

  constructor(options: LogOutputOptions) {
    this.#options = options
  }

  write(line: string): void {
    if (this.#length + this.#writing + line.length > MAX_WAITING_CHARACTERS) {
      this.#lose(1)
      return
    }
    this.#lines.push(line)
    this.#length += line.length
    if (this.#length >= CHUNK_CHARACTERS) this.handOn()
  }

  /** Gives the waiting lines to the sink, one chunk at a time. */
  handOn(): void {
    if (this.#writing > 0 || this.#length === 0) return
    const count = this.#lines.length
    // A chunk that failed may have been written up to the middle of a line.
    const text = (this.#isCut ? '\n' : '') + this.#lines.join('')
    this.#lines = []
    this.#length = 0
    this.#writing = text.length
    this.#written = new Promise(resolve => {
      this.#options.sink(text, error => {
        this.#writing = 0
        this.#isCut = Boolean(error)
        if (error) this.#lose(count)
        else this.#reportLoss()
        if (this.#length >= CHUNK_CHARACTERS) this.handOn()
        resolve()
      })
    })
  }

  /** Writes the lines that still wait, as far as their reader takes them within half a second. */
  async close(): Promise<void> {
    const done = new AbortController()
    const late = sleep(LAST_FLUSH_MS, true, { signal: done.signal }).catch(() => true)
    for (this.handOn(); this.#writing > 0; this.handOn()) {
      if (await Promise.race([this.#written, late])) break
    }
    done.abort()
  }

  #lose(lines: number): void {
    this.#lostLines += lines
    this.#options.lost(lines)
  }

  #reportLoss(): void {
    const lines = this.#lostLines
    this.#lostLines = 0
    if (lines > 0) this.#options.recovered(lines)
  }
}
