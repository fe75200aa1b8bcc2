import { SingleBar } from 'cli-progress'

const LINE_EVERY_MS = 5_000

/** Shows on standard error how far an export has come. */
export interface Progress {
  /** `rows` are written so far, and the last one was created at `at`. */
  advance(rows: number, at: Date): void
  stop(): void
  /** To be called after `stop`, when all rows are written. */
  done(rows: number): void
}

/** Progress is measured by the time of the rows: counting them first would take as long as the export. */
export function showProgress(to: Date, isQuiet: boolean): Progress {
  if (isQuiet) return { advance: () => {}, stop: () => {}, done: () => {} }
  return process.stderr.isTTY ? bar(to) : lines()
}

function bar(to: Date): Progress {
  const shown = new SingleBar({
    format: 'riskgate: {bar} {percentage}% | up to {at} | {rows} rows',
    stream: process.stderr,
    hideCursor: true,
    barsize: 30,
    fps: 5,
  })
  const end = Math.min(to.getTime(), Date.now())
  let begin: number | undefined
  return {
    advance(rows, at) {
      const payload = { rows: rows.toLocaleString('en'), at: at.toISOString().slice(0, 16) }
      if (begin === undefined) {
        begin = at.getTime()
        shown.start(Math.max(1, end - begin), 0, payload)
      }
      shown.update(at.getTime() - begin, payload)
    },
    stop: () => shown.stop(),
    done,
  }
}

function lines(): Progress {
  let shownAt = performance.now()
  return {
    advance(rows, at) {
      if (performance.now() - shownAt < LINE_EVERY_MS) return
      shownAt = performance.now()
      process.stderr.write(`riskgate: ${rows} rows, up to ${at.toISOString()}\n`)
    },
    stop: () => {},
    done,
  }
}

function done(rows: number): void {
  process.stderr.write(`riskgate: ${rows} rows exported.\n`)
}
