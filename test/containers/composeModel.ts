import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** A copy of deploy/, with secrets. */
export const FOLDER = process.env.TEST_COMPOSE_FOLDER ?? ''
const CHECKER = process.env.TEST_COMPOSE_CHECKER ?? ''

export interface Service {
  readonly image: string
  readonly restart: string
  readonly environment?: Readonly<Record<string, string>>
  readonly healthcheck?: { readonly test?: readonly string[] }
  readonly mem_limit?: string
  readonly pids_limit?: number
  readonly security_opt?: readonly string[]
  readonly cap_drop?: readonly string[]
  readonly cap_add?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly ports?: readonly { readonly host_ip?: string; readonly target: number; readonly published: string }[]
  readonly volumes?: readonly { readonly type: string; readonly source: string; readonly read_only?: boolean }[]
  readonly secrets?: readonly { readonly source: string }[]
  readonly networks?: Readonly<Record<string, { readonly ipv4_address?: string } | null>>
}

export interface ComposeModel {
  readonly services: Readonly<Record<string, Service>>
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>
}

/** Compose files, each on top of the one before, as Docker Compose reads them. @throws Error where its specification forbids one */
export async function readCompose(...files: string[]): Promise<ComposeModel> {
  const { stdout } = await promisify(execFile)(CHECKER, ['-format', 'json', ...files], {
    cwd: FOLDER,
    maxBuffer: 16 * 1024 * 1024,
  })
  return JSON.parse(stdout) as ComposeModel
}
