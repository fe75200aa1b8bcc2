import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, openSync, readFileSync, statSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const START_TIMEOUT_MS = 90_000
const ANSWER_TIMEOUT_MS = 2_000
const POLL_MS = 100

const stateDirectory = resolve(process.env.RISKGATE_STATE_DIR || '.riskgate')
const developmentFile = join(stateDirectory, 'dev.json')
const logFile = join(stateDirectory, 'demo-gateway.log')

/**
 * Finds the gateway to use: that of RISKGATE_URL, one that already runs here, or a new one.
 * @typedef {{ url: string, scorer: string, monitor: string, playground: string, started: string, died?: AbortSignal, stop: () => Promise<void> }} Gateway
 * @param {{ starting: () => void, signal: AbortSignal }} options `starting` is called before a new gateway is started
 * @returns {Promise<Gateway>}
 */
export async function findGateway({ starting, signal }) {
  const { RISKGATE_URL, RISKGATE_TOKEN } = process.env
  if (RISKGATE_URL) {
    if (!RISKGATE_TOKEN) throw new Error('With RISKGATE_URL, set RISKGATE_TOKEN to a token: riskgate token --role SCORER MONITOR')
    const url = RISKGATE_URL.replace(/\/+$/, '')
    return {
      url,
      scorer: RISKGATE_TOKEN,
      monitor: RISKGATE_TOKEN,
      playground: `${url}/playground`,
      started: 'from RISKGATE_URL',
      stop: async () => {},
    }
  }
  const running = readDevelopmentFile()
  if (running && (await answers(running.url)))
    return { ...fromFile(running), started: 'was already running', stop: async () => {} }
  starting()
  return start(signal)
}

async function start(signal) {
  mkdirSync(stateDirectory, { recursive: true, mode: 0o711 })
  const writtenBefore = writtenAt()
  const log = openSync(logFile, 'w', 0o600)
  // Started in its own process group. Otherwise Ctrl-C would reach it in addition to our SIGTERM, and a second signal ends it at once.
  const { RISKGATE_TOKEN: _, ...env } = process.env
  const child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', log, log], detached: true })
  const died = new AbortController()
  const exit = once(child, 'exit').then(() => died.abort())
  const stop = async () => {
    if (!died.signal.aborted) child.kill('SIGTERM')
    await exit
  }
  try {
    const endsAt = Date.now() + START_TIMEOUT_MS
    while (writtenAt() === writtenBefore || !(await answers(readDevelopmentFile()?.url))) {
      if (died.signal.aborted) throw new Error(`the gateway did not start:\n${lastLines()}`)
      if (Date.now() > endsAt) throw new Error(`the gateway did not start in time; see ${logFile}`)
      await sleep(POLL_MS, undefined, { signal })
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { ...fromFile(readDevelopmentFile()), started: `started; log: ${relative('', logFile)}`, died: died.signal, stop }
}

function fromFile({ url, tokens }) {
  return { url, scorer: tokens.SCORER, monitor: tokens.MONITOR, playground: `${url}/playground#token=${tokens.ADMIN}` }
}

function readDevelopmentFile() {
  try {
    return JSON.parse(readFileSync(developmentFile, 'utf8'))
  } catch {
    return undefined
  }
}

function writtenAt() {
  return statSync(developmentFile, { throwIfNoEntry: false })?.mtimeMs
}

async function answers(url) {
  if (!url) return false
  return fetch(`${url}/healthz`, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) }).then(
    ({ ok }) => ok,
    () => false,
  )
}

function lastLines() {
  return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-5).join('\n')
}
