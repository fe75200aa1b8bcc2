import { describe, expect, it } from 'vitest'
import { LogOutput, MAX_WAITING_CHARACTERS } from '../../../src/observability/logOutput.js'
import type { LogSink } from '../../../src/observability/logSink.js'

const LINE = `${'x'.repeat(1_023)}\n`
const LINES_THAT_FIT = MAX_WAITING_CHARACTERS / LINE.length

function outputTo(sink: LogSink) {
  const reports = { lost: 0, recovered: [] as number[] }
  const lost = (lines: number) => {
    reports.lost += lines
  }
  return { output: new LogOutput({ sink, lost, recovered: lines => reports.recovered.push(lines) }), reports }
}

/** A reader that takes nothing until it is told to. */
function stoppedReader() {
  const held: (() => void)[] = []
  let text = ''
  const sink: LogSink = (chunk, done) => {
    held.push(() => {
      text += chunk
      done()
    })
  }
  return { sink, takeOne: () => held.shift()?.(), taken: () => text, held }
}

describe('a LogOutput', () => {
  it('keeps a bounded part of a flood while its reader has stopped, and counts the rest', () => {
    const reader = stoppedReader()
    const { output, reports } = outputTo(reader.sink)
    for (let i = 0; i < LINES_THAT_FIT + 1_000; i++) output.write(LINE)
    expect(reports).toEqual({ lost: 1_000, recovered: [] })
    while (reader.held.length > 0) reader.takeOne()
    expect(reader.taken()).toBe(LINE.repeat(LINES_THAT_FIT))
    expect(reports.recovered).toEqual([1_000])
  })

  it('reports each loss once', () => {
    const reader = stoppedReader()
    const { output, reports } = outputTo(reader.sink)
    for (let i = 0; i < LINES_THAT_FIT + 1; i++) output.write(LINE)
    reader.takeOne()
    reader.takeOne()
    expect(reports.recovered).toEqual([1])
  })

  it('gives the reader one chunk at a time', () => {
    const reader = stoppedReader()
    const { output } = outputTo(reader.sink)
    for (let i = 0; i < 100; i++) output.write(LINE)
    expect(reader.held).toHaveLength(1)
  })

  it('counts the lines of a chunk that cannot be written, and begins a new line after it', () => {
    let isFull = true
    let text = ''
    const { output, reports } = outputTo((chunk, done) => {
      text += isFull ? chunk.slice(0, 5) : chunk
      done(isFull ? new Error('ENOSPC') : undefined)
    })
    output.write('{"n":1}\n')
    output.write('{"n":2}\n')
    output.handOn()
    expect(reports).toEqual({ lost: 2, recovered: [] })
    isFull = false
    output.write('{"n":3}\n')
    output.handOn()
    expect(text).toBe('{"n":\n{"n":3}\n')
    expect(reports).toEqual({ lost: 2, recovered: [2] })
  })

  it('writes everything on closing if its reader takes it', async () => {
    let text = ''
    const { output } = outputTo((chunk, done) => {
      text += chunk
      setImmediate(done)
    })
    for (let i = 0; i < 100; i++) output.write(LINE)
    await output.close()
    expect(text).toBe(LINE.repeat(100))
  })

  it('closes while its reader has stopped', async () => {
    const { output } = outputTo(stoppedReader().sink)
    output.write(LINE)
    await output.close()
  })
})
