import { stripVTControlCharacters } from 'node:util'

const BANDS = ['T1', 'T2', 'T3', 'T4', 'T5', 'T6', 'T7', 'T8']
const BLOCKS = '▁▂▃▄▅▆▇█'
// Green to red, from the 256 terminal colours.
const COLOUR_OF_BAND = [34, 70, 106, 142, 178, 172, 166, 160]
const REDRAW_MS = 125
const PLAIN_LINE_MS = 5_000
const RATE_WINDOW_MS = 10_000

/** Shows the demo's counts as one line: rewritten in place on a terminal, otherwise printed every few seconds. */
export class Progress {
  #output
  #isTerminal
  #hasColour
  #timer
  #scoredAt = []
  #startedAt = Date.now()
  #failing = new Map()
  #bands = new Map(BANDS.map(band => [band, 0]))
  scored = 0
  alerts = 0
  lastAlert

  constructor(output = process.stdout) {
    this.#output = output
    this.#isTerminal = output.isTTY === true
    this.#hasColour = this.#isTerminal && !process.env.NO_COLOR
  }

  start() {
    this.#startedAt = Date.now()
    if (this.#isTerminal) this.#output.write('\x1b[?25l')
    this.#timer = setInterval(() => this.#draw(), this.#isTerminal ? REDRAW_MS : PLAIN_LINE_MS)
  }

  /** Leaves the last state on the screen. */
  end() {
    if (!this.#timer) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#draw()
    if (this.#isTerminal) this.#output.write('\n\x1b[?25h')
  }

  score({ band }) {
    this.scored++
    this.#scoredAt.push(Date.now())
    this.#bands.set(band, (this.#bands.get(band) ?? 0) + 1)
  }

  alert({ prediction }) {
    this.alerts++
    this.lastAlert = { ...prediction, receivedAt: Date.now() }
  }

  /** Prints a failure above the line. The same failure is printed once, until `recovered` is called. */
  failed(what, text) {
    if (this.#failing.get(what) === text) return
    this.#failing.set(what, text)
    this.#note(`${what}: ${text}`)
  }

  recovered(what) {
    if (this.#failing.delete(what)) this.#note(`${what}: working again.`)
  }

  #note(text) {
    const time = new Date().toTimeString().slice(0, 8)
    this.#output.write(`${this.#isTerminal ? '\r\x1b[2K' : ''}  ${this.#painted(`${time}  ${text}`, 178)}\n`)
    if (this.#isTerminal && this.#timer) this.#draw()
  }

  #draw() {
    const line = this.#line()
    if (!this.#isTerminal) this.#output.write(`${line}\n`)
    else this.#output.write(`\r\x1b[2K${fitted(line, (this.#output.columns ?? 80) - 1)}`)
  }

  #line() {
    const parts = [
      `${this.scored.toLocaleString('en')} scored`,
      `${this.#perSecond().toFixed(1)}/s`,
      this.#isTerminal ? `T1 ${this.#bar()} T8` : BANDS.map(band => `${band} ${this.#bands.get(band)}`).join(' '),
      `${this.alerts.toLocaleString('en')} alert${this.alerts === 1 ? '' : 's'}`,
    ]
    if (this.lastAlert) {
      const { applicantId, band, probability, receivedAt } = this.lastAlert
      const colour = COLOUR_OF_BAND[BANDS.indexOf(band)]
      const ago = Math.round((Date.now() - receivedAt) / 1_000)
      parts.push(`last ${this.#painted(`${band} ${Math.round(probability * 100)} %`, colour)} ${applicantId}, ${ago} s ago`)
    }
    return `  ${parts.join('   ')}`
  }

  #perSecond() {
    const now = Date.now()
    this.#scoredAt = this.#scoredAt.filter(at => now - at <= RATE_WINDOW_MS)
    const seconds = Math.min(now - this.#startedAt, RATE_WINDOW_MS) / 1_000
    return seconds > 0 ? this.#scoredAt.length / seconds : 0
  }

  #bar() {
    const counts = BANDS.map(band => this.#bands.get(band) ?? 0)
    const most = Math.max(...counts, 1)
    return counts
      .map((count, i) =>
        this.#painted(count === 0 ? ' ' : BLOCKS[Math.ceil((count / most) * BLOCKS.length) - 1], COLOUR_OF_BAND[i]),
      )
      .join('')
  }

  #painted(text, colour) {
    return this.#hasColour ? `\x1b[38;5;${colour}m${text}\x1b[39m` : text
  }
}

/** Cuts a line to the width of the screen, so that it never wraps. A line that must be cut loses its colours. */
function fitted(line, columns) {
  const plain = stripVTControlCharacters(line)
  return plain.length <= columns ? line : `${plain.slice(0, columns - 1)}…`
}
