// The folder of one run of the tests: every temporary folder, and the data of every PostgreSQL, lies below it.
import { chmodSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const PREFIX = 'riskgate-tests-'
const MEMORY = '/dev/shm'
// Each worker's PostgreSQL and those that tests start themselves hold at most about 300 MB at a time.
const ROOM_BYTES = 3_000_000_000
// A process that was told to end may need a moment.
const ENDING_MS = 5_000
const POLL_MS = 50

/** Whether a path is the folder of a run, as TMPDIR is below `npm test`. */
export function isRunFolder(path) {
  return basename(path).startsWith(PREFIX)
}

/** Makes it in memory where there is room, else in the temporary directory. */
export function makeRunFolder() {
  const parent = hasRoom(MEMORY) ? MEMORY : tmpdir()
  removeAbandoned(parent)
  const folder = mkdtempSync(join(parent, `${PREFIX}${process.pid}-`))
  // As root the tests run PostgreSQL under another account, which must pass through.
  chmodSync(folder, 0o755)
  return folder
}

/** Removes it, ends what still runs in it, and answers what was left: names of folders, and processes. */
export async function removeRunFolder(folder, endingMs = ENDING_MS) {
  const processes = await remainingProcesses(folder, endingMs)
  const files = readdirSync(folder)
  const segments = processes.flatMap(({ pid }) => sharedMemoryOf(pid))
  for (const { pid } of processes) ignoringErrors(() => process.kill(pid, 'SIGKILL'))
  // A PostgreSQL that is killed removes its memory at its next start, and its data are about to go.
  for (const segment of segments) rmSync(segment, { force: true })
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  return [...files.map(name => `folder ${name}`), ...processes.map(({ pid, command }) => `process ${pid}: ${command}`)]
}

function hasRoom(path) {
  try {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize > ROOM_BYTES
  } catch {
    return false
  }
}

/** A run that was killed could not remove its folder, which holds memory. */
function removeAbandoned(parent) {
  for (const name of readdirSync(parent)) {
    const maker = name.startsWith(PREFIX) && Number(name.slice(PREFIX.length).split('-')[0])
    if (maker && !exists(maker)) ignoringErrors(() => rmSync(join(parent, name), { recursive: true, force: true }))
  }
}

/**
 * Whether a process with this id exists; a zombie does too.
 * @param {number} pid
 */
export function exists(pid) {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error.code === 'EPERM'
  }
}

async function remainingProcesses(folder, endingMs) {
  const deadline = performance.now() + endingMs
  for (;;) {
    const found = processesOf(folder)
    if (found.length === 0 || performance.now() > deadline) return found
    await sleep(POLL_MS)
  }
}

/** Processes that work in the folder, or were started with it as their temporary directory. Linux only: elsewhere none is found. */
function processesOf(folder) {
  const pids = ignoringErrors(() => readdirSync('/proc').filter(name => /^\d+$/.test(name))) ?? []
  return pids
    .map(Number)
    .filter(pid => pid !== process.pid && ignoringErrors(() => isOf(folder, pid)))
    .map(pid => ({ pid, command: commandOf(pid) }))
}

function isOf(folder, pid) {
  const works = ignoringErrors(() => readlinkSync(`/proc/${pid}/cwd`))?.startsWith(folder)
  return works || readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`TMPDIR=${folder}`)
}

/** Segments of shared memory that a PostgreSQL uses. */
function sharedMemoryOf(pid) {
  const maps = ignoringErrors(() => readFileSync(`/proc/${pid}/maps`, 'utf8')) ?? ''
  return [...new Set(maps.match(/\/dev\/shm\/PostgreSQL\.\d+/g))]
}

function commandOf(pid) {
  return (ignoringErrors(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? '').replaceAll('\0', ' ').trim()
}

function ignoringErrors(work) {
  try {
    return work()
  } catch {
    return undefined
  }
}
