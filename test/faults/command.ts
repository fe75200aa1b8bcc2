import { parseArgs } from 'node:util'
import { type PostgresServer, startPostgresServer } from '../support/postgresServer.js'
import { present } from '../support/process.js'
import { type FaultOptions, type Progress, runAlertFaults } from './alertFaults.js'
import { count, eventLine, progressLine, reportText } from './report.js'
import { judge } from './verdict.js'

const PLAIN_LINE_SECONDS = 5
const MOST = 1_000_000

const DEFAULTS = {
  sockets: 100,
  alerts: 10_000,
  rate: 100,
  disconnects: 50,
  kills: 3,
  'redis-restarts': 2,
  'slow-commits': 3,
  seed: 1,
}

/** Runs `npm run test:alerts`; returns the exit code. */
export async function main(arguments_: string[]): Promise<number> {
  const options = readOptions(arguments_)
  if (typeof options === 'string') {
    process.stderr.write(`test:alerts: ${options}\n`)
    return 2
  }
  const given = new AbortController()
  // A second signal changes nothing: the servers are already being stopped.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => given.abort(new Error(`interrupted (${signal})`)))
  const { sockets, alerts, disconnects, kills, redisRestarts, slowCommits, seed } = options
  print(
    `2 gateways, 1 Postgres, 1 Redis, ${count(sockets)} sockets, ${count(alerts)} alerts, ${disconnects} disconnects, ` +
      `${kills} gateways killed (kill -9), ${redisRestarts} Redis restarts, ${slowCommits} % slow commits, seed ${seed}\n`,
  )
  const screen = new Screen(options)
  const { TEST_DATABASE_URL } = process.env
  let server: PostgresServer | undefined
  try {
    if (!TEST_DATABASE_URL) server = await startPostgresServer()
    const result = await runAlertFaults(options, {
      postgresUrl: TEST_DATABASE_URL ?? present(server).url,
      signal: given.signal,
      progress: state => screen.show(state),
    })
    screen.end()
    const verdict = judge(result)
    print(reportText(options, result, verdict))
    return verdict.problems.length === 0 ? 0 : 1
  } catch (error) {
    screen.end()
    // Ctrl-C reaches the servers too, so that an error after it is only a consequence of it.
    const { aborted, reason } = given.signal
    process.stderr.write(`test:alerts: ${aborted ? (reason as Error).message : (error as Error).stack}\n`)
    return aborted ? 130 : 1
  } finally {
    await server?.stop()
  }
}

function readOptions(arguments_: string[]): FaultOptions | string {
  const text = Object.fromEntries(Object.keys(DEFAULTS).map(name => [name, { type: 'string' as const }]))
  try {
    const { values } = parseArgs({ args: arguments_, options: text })
    const number = (name: keyof typeof DEFAULTS, least: number, most = MOST) => {
      const value = Number(values[name] ?? DEFAULTS[name])
      if (!Number.isInteger(value) || value < least || value > most) throw new Error(`--${name} must be from ${least} to ${most}`)
      return value
    }
    return {
      sockets: number('sockets', 1),
      alerts: number('alerts', 1),
      alertsPerSecond: number('rate', 1),
      disconnects: number('disconnects', 0),
      kills: number('kills', 0),
      redisRestarts: number('redis-restarts', 0),
      slowCommits: number('slow-commits', 0, 100),
      seed: number('seed', 0),
    }
  } catch (error) {
    return (error as Error).message
  }
}

/** Prints events as lines. On a terminal the state follows, rewritten in place; elsewhere a state line is printed every few seconds. */
class Screen {
  readonly #options: FaultOptions
  #shownEvents = 0
  #shownAt = Number.NEGATIVE_INFINITY

  constructor(options: FaultOptions) {
    this.#options = options
  }

  show(state: Progress): void {
    for (const event of state.events.slice(this.#shownEvents)) print(`${this.#clear()}${eventLine(event)}`)
    this.#shownEvents = state.events.length
    if (process.stdout.isTTY) process.stdout.write(`${this.#clear()}${progressLine(state, this.#options)}`)
    else if (state.seconds - this.#shownAt >= PLAIN_LINE_SECONDS) {
      this.#shownAt = state.seconds
      print(progressLine(state, this.#options))
    }
  }

  end(): void {
    process.stdout.write(this.#clear())
  }

  #clear(): string {
    return process.stdout.isTTY ? '\r\x1b[2K' : ''
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
