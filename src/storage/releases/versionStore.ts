import type { ReadVersion } from '../../releases/rollout/rolloutStore.js'
import type { NewVersion, ReleaseState, StoredFile, StoredVersion, VersionStore } from '../../releases/rollout/versionStore.js'
import type { Database } from '../postgres/database.js'
import { hasPredicted } from './firstUse.js'
import { ModelFileStore } from './modelFileStore.js'
import { ROLLOUT_AS_JSON, type RolloutRow, toRollout } from './rolloutRows.js'
import { CONTRACT_FILE, MANIFEST_FILE, toVersion, VERSION_AS_JSON, type VersionRow } from './versionRows.js'

/** The texts that the API and the gateways read without fetching a file. */
interface Texts {
  readonly contract: string | undefined
  readonly manifest: string | undefined
}

/** Versions and their files in Postgres. */
export class PostgresVersionStore implements VersionStore {
  readonly #database: Database
  readonly #files: ModelFileStore
  /** The versions of the last state: to read and to parse one takes about a millisecond, and each change of a rollout asks for all. */
  #known: ReadonlyMap<string, ReadVersion> = new Map()

  constructor(database: Database) {
    this.#database = database
    this.#files = new ModelFileStore(database)
  }

  async revision(): Promise<string> {
    const [row] = await this.#database.readInBackground(
      ({ sql }) => sql<{ revision: string }[]>`select revision::text from release_revision`,
    )
    return row?.revision ?? ''
  }

  /**
   * One statement: versions and rollouts of one moment. A version that has not changed is the same object as before, and only its key
   * is fetched.
   */
  async state(): Promise<ReleaseState> {
    const known = this.#known
    const keys = JSON.stringify([...known.values()].map(({ model, version, revision }) => ({ model, version, revision })))
    const [row] = await this.#database.readInBackground(
      ({ sql }) => sql<{ revision: string; versions: VersionRow[]; rollouts: RolloutRow[] }[]>`
        select coalesce((select revision::text from release_revision), '') as revision,
          (select coalesce(json_agg(case when k.model is null then ${sql.unsafe(VERSION_AS_JSON)}
              else json_build_object('model', v.model, 'version', v.version, 'revision', v.revision) end order by v.model, v.version), '[]')
            from model_versions v left join json_to_recordset(${keys}::text::json) as k(model text, version text, revision int)
              on k.model = v.model and k.version = v.version and k.revision = v.revision) as versions,
          (select coalesce(json_agg(${sql.unsafe(ROLLOUT_AS_JSON)} order by r.model), '[]') from model_rollouts r) as rollouts`,
    )
    const versions = row?.versions.map(version => known.get(keyOf(version)) ?? toVersion(version)) ?? []
    this.#known = new Map(versions.map(version => [keyOf(version), version]))
    return { revision: row?.revision ?? '', versions, rollouts: row?.rollouts.map(toRollout) ?? [] }
  }

  async put(version: NewVersion): Promise<boolean> {
    const texts = await textsOf(version)
    const { identity } = version
    const before = await this.#find(version)
    if (before && !mayBecome(before, identity)) return false
    await this.#files.store(version.files, version.read)
    const used = before?.used ?? (await hasPredicted(this.#database, version.model, version.version))
    if (await this.#write(version, texts, used)) return true
    // Nothing was to be changed, or another gateway was first.
    const now = await this.#find(version)
    return now !== undefined && mayBecome(now, identity)
  }

  restore(files: readonly StoredFile[], read: (file: StoredFile) => Promise<Uint8Array>): Promise<void> {
    return this.#files.restore(files, read)
  }

  readFile(sha256: string): Promise<Uint8Array> {
    return this.#files.read(sha256)
  }

  async #find({ model, version }: Pick<StoredVersion, 'model' | 'version'>): Promise<Use | undefined> {
    const [row] = await this.#database.readInBackground(
      ({ sql }) => sql<{ identity: string | null; used: boolean }[]>`
        select identity, used from model_versions where model = ${model} and version = ${version}`,
    )
    return row && { identity: row.identity ?? undefined, used: row.used }
  }

  /** The row is locked when its use is looked at: a rollout that begins to serve it marks it in the same row. */
  async #write(version: NewVersion, { contract, manifest }: Texts, used: boolean): Promise<boolean> {
    const [files, report, origin] = [version.files, version.report, version.origin].map(value => JSON.stringify(value))
    const rows = await this.#database.writeBulk(
      ({ sql }) => sql`
        with put as (
          insert into model_versions as v (model, version, identity, content, contract, manifest, files, report, signature, origin,
            stored_at, used, revision)
          values (${version.model}, ${version.version}, ${version.identity ?? null}, ${version.report.content}, ${contract ?? null},
            ${manifest ?? null}, ${files ?? null}::text::json, ${report ?? null}::text::json, ${version.signature ?? null},
            ${origin ?? null}::text::json, now(), ${used}, 1)
          on conflict (model, version) do update set identity = excluded.identity, content = excluded.content,
            contract = excluded.contract, manifest = excluded.manifest, files = excluded.files, report = excluded.report,
            signature = excluded.signature, origin = excluded.origin, stored_at = excluded.stored_at, revision = v.revision + 1
          where (not v.used or v.identity is null or v.identity is not distinct from excluded.identity)
            and (v.contract, v.manifest, v.files::text, v.report::text, v.signature, v.origin::text) is distinct from
              (excluded.contract, excluded.manifest, excluded.files::text, excluded.report::text, excluded.signature,
                excluded.origin::text)
          returning 1
        ), counted as (
          update release_revision set revision = revision + 1 where exists (select from put)
        )
        select from put`,
    )
    return rows.length > 0
  }
}

interface Use {
  readonly identity: string | undefined
  readonly used: boolean
}

function mayBecome(stored: Use, identity: string | undefined): boolean {
  return !stored.used || stored.identity === undefined || stored.identity === identity
}

async function textsOf({ files, read }: NewVersion): Promise<Texts> {
  const [contract, manifest] = await Promise.all(
    [CONTRACT_FILE, MANIFEST_FILE].map(async name => {
      const file = files.find(candidate => candidate.name === name)
      // With a byte order mark: its digest is that of the file. Postgres keeps no NUL in a text; JSON holds none.
      return file && new TextDecoder('utf-8', { ignoreBOM: true }).decode(await read(file)).replaceAll('\0', '')
    }),
  )
  return { contract, manifest }
}

function keyOf({ model, version, revision }: Pick<ReadVersion, 'model' | 'version' | 'revision'>): string {
  return JSON.stringify([model, version, revision])
}
