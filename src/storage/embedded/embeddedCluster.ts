import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { chown, link, mkdir, open, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Account, Binaries } from './embeddedBinaries.js'
import {
  draftName,
  executable,
  ignoreExisting,
  makeDirectory,
  POSTGRES_ENVIRONMENT,
  removeAbandoned,
} from './embeddedBinaries.js'

/** Where a gateway's PostgreSQL keeps its files, and the account that it runs as. */
export interface Site {
  /** Holds postgres/, postgres.password and postgres.log. */
  readonly home: string
  readonly data: string
  readonly passwordFile: string
  readonly logFile: string
  /** Where a copy of the binaries goes when the installed ones cannot be run. */
  readonly copyParent: string
  readonly account: Account | undefined
}

export const USER = 'riskgate'
export const DATABASE = 'riskgate'

// PostgreSQL refuses to run as root. 65534 is "nobody" nearly everywhere and needs no entry in passwd.
const UNPRIVILEGED: Account = { uid: 65534, gid: 65534 }
const SYSTEM_DIRECTORY = '/var/lib/riskgate'
const run = promisify(execFile)

export async function chooseSite(stateDirectory: string): Promise<Site> {
  const root = process.getuid?.() === 0
  await makeDirectory(resolve(stateDirectory), root ? 0o711 : 0o700)
  const home = await realpath(stateDirectory)
  const owner = await ownerOf(join(home, 'postgres'))
  if (!root) return siteOfUser(home, owner)
  // Data made by an ordinary user stay that user's, so that a later start needs no sudo.
  if (owner && owner.uid !== 0) return siteOf(home, SYSTEM_DIRECTORY, await mustEnter(home, owner))
  const systemHome = join(SYSTEM_DIRECTORY, createHash('sha256').update(home).digest('hex').slice(0, 16))
  // Data once made in the system directory stay in use, even when the parent directories of the state are opened later.
  if (!(await ownerOf(join(systemHome, 'postgres'))) && !(await closedAncestor(home, UNPRIVILEGED))) {
    return siteOf(home, SYSTEM_DIRECTORY, UNPRIVILEGED)
  }
  await makeDirectory(SYSTEM_DIRECTORY, 0o755)
  await makeDirectory(systemHome, 0o711)
  return siteOf(systemHome, SYSTEM_DIRECTORY, UNPRIVILEGED)
}

function siteOfUser(home: string, owner: Account | undefined): Site {
  const uid = process.getuid?.()
  if (owner && uid !== undefined && owner.uid !== uid) {
    throw new Error(`${home}/postgres belongs to uid ${owner.uid}: start riskgate as root, or set DATABASE_URL`)
  }
  return siteOf(home, home, undefined)
}

function siteOf(home: string, copyParent: string, account: Account | undefined): Site {
  const data = join(home, 'postgres')
  return { home, data, passwordFile: `${data}.password`, logFile: `${data}.log`, copyParent, account }
}

async function ownerOf(path: string): Promise<Account | undefined> {
  return stat(path).then(
    ({ uid, gid }) => ({ uid, gid }),
    () => undefined,
  )
}

async function mustEnter(home: string, account: Account): Promise<Account> {
  const closed = await closedAncestor(home, account)
  // Starting elsewhere would answer from an empty database while the data are still here.
  if (closed) throw new Error(`uid ${account.uid}, which owns ${home}/postgres, cannot enter ${closed}: open it`)
  return account
}

async function closedAncestor(path: string, account: Account): Promise<string | undefined> {
  const { uid, gid, mode } = await stat(path)
  const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001
  if ((mode & bit) === 0) return path
  return dirname(path) === path ? undefined : closedAncestor(dirname(path), account)
}

/** Makes the database cluster unless it exists. When two gateways do so at once, the second uses that of the first. */
export async function ensureCluster(
  site: Site,
  binaries: Binaries,
  log: (message: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const version = await readFile(join(site.data, 'PG_VERSION'), 'utf8').catch(() => undefined)
  if (version !== undefined) return checkMajor(site, version.trim(), binaries)
  log(`making a PostgreSQL ${binaries.major} database in ${site.data}`)
  await removeAbandoned(site.home, 'postgres.draft-')
  await keepPassword(site, randomBytes(24).toString('hex'))
  const draft = draftName(site.data)
  await mkdir(draft, { mode: 0o700 })
  try {
    await initialise(draft, site, binaries, signal)
    await rename(draft, site.data).catch(ignoreExisting)
    await syncDirectory(site.home)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  await readFile(join(site.data, 'PG_VERSION')).catch(cause => {
    throw new Error(`${site.data} is neither empty nor a PostgreSQL database: move it away`, { cause })
  })
}

function checkMajor(site: Site, version: string, binaries: Binaries): void {
  if (version === binaries.major) return
  throw new Error(`${site.data} was made by PostgreSQL ${version} and cannot be opened by ${binaries.major}: dump and restore it`)
}

/** Undefined where it is lost: no file, or the empty one that a crash or a full disk left. */
export async function readPassword(site: Site): Promise<string | undefined> {
  const password = await readFile(site.passwordFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return password || undefined
}

/** A lost password file must not cost the data. The server is down, so that nobody is connected. */
export async function resetPassword(site: Site, binaries: Binaries, signal: AbortSignal): Promise<void> {
  const password = randomBytes(24).toString('hex')
  await singleUser({ directory: site.data, site, binaries, signal }, [`ALTER ROLE ${USER} PASSWORD '${password}'`])
  await keepPassword(site, password)
}

// Two gateways may do this at once: link() lets exactly one password win, and a reader never sees half of it.
async function keepPassword(site: Site, password: string): Promise<void> {
  const kept = await stat(site.passwordFile).catch(() => undefined)
  if (kept?.size === 0) await rm(site.passwordFile)
  const draft = draftName(site.passwordFile)
  await writeFile(draft, password, { mode: 0o600, flag: 'wx', flush: true })
  await link(draft, site.passwordFile).catch(ignoreExisting)
  await rm(draft)
}

async function initialise(directory: string, site: Site, binaries: Binaries, signal: AbortSignal): Promise<void> {
  if (site.account) await chown(directory, site.account.uid, site.account.gid)
  const password = await readPassword(site)
  // "reject" needs no password file on disk; the password is set below, before anything listens.
  const settings = ['--encoding=UTF8', '--locale=C', `--username=${USER}`, '--auth=reject', '--data-checksums']
  await run(executable(binaries, 'initdb'), ['-D', directory, ...settings], childOptions(site, signal))
  await writeFile(join(directory, 'pg_hba.conf'), 'host all all 127.0.0.1/32 scram-sha-256\n')
  const statements = [`ALTER ROLE ${USER} PASSWORD '${password}'`, `CREATE DATABASE ${DATABASE}`]
  await singleUser({ directory, site, binaries, signal }, statements)
}

interface SingleUser {
  readonly directory: string
  readonly site: Site
  readonly binaries: Binaries
  readonly signal: AbortSignal
}

// Runs statements without a listening server: there is no moment at which another local user could connect.
async function singleUser({ directory, site, binaries, signal }: SingleUser, statements: string[]): Promise<void> {
  const quiet = ['-c', 'log_min_messages=error', '-c', 'log_min_error_statement=panic', '-c', 'log_error_verbosity=terse']
  const args = ['--single', '-D', directory, ...quiet, 'postgres']
  const running = run(executable(binaries, 'postgres'), args, childOptions(site, signal))
  running.child.stdin?.on('error', () => undefined)
  running.child.stdin?.end(`${statements.join('\n')}\n`)
  const { stderr } = await running
  // postgres ends with status 0 even when a statement failed.
  const failure = /(ERROR|FATAL|PANIC): .*/.exec(stderr)
  if (failure) throw new Error(`PostgreSQL could not set up ${directory}: ${failure[0]}`)
}

function childOptions(site: Site, signal: AbortSignal) {
  return { ...site.account, signal, cwd: site.home, env: POSTGRES_ENVIRONMENT }
}

// Without it a power cut could lose the rename, while later commits are on disk.
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const directory = await open(path, 'r')
  await directory.sync().finally(() => directory.close())
}
