import type { PendingQuery, Row, Sql } from 'postgres'
import type { Actor } from '../../auth/principal.js'
import type { NewReleaseChange, ReleaseAction, ReleaseChange } from '../../releases/rollout/releaseChange.js'
import type { ModelReleases, ReleaseChangePage, RolloutStep, RolloutStore, Said } from '../../releases/rollout/rolloutStore.js'
import { type AuditAction, auditInsert } from '../audit/auditEntries.js'
import type { Database } from '../postgres/database.js'
import { newId } from '../postgres/uuid.js'
import { CHANGE_COLUMNS, type ChangeRow, detailsOf, toChange } from './changeRows.js'
import { emptyRollout, ROLLOUT_AS_JSON, type RolloutRow, saidIn, toRollout } from './rolloutRows.js'
import { toVersion, VERSION_AS_JSON, type VersionRow } from './versionRows.js'

type Fragment = PendingQuery<Row[]>

const AUDITED: Readonly<Record<ReleaseAction, AuditAction>> = {
  PROMOTE: 'model.promoted',
  ROLLBACK: 'model.rolled-back',
  SPLIT: 'model.split',
  RETIRE: 'model.retired',
}
/** What the audit tells of a change, for a row of release_changes. */
const AUDIT_DETAILS = `jsonb_build_object('change', id, 'action', action, 'details', details, 'reason', reason, 'proposedBy', proposed_by,
  'proposedIn', proposed_in, 'decisionReason', decision_reason)`

/** Rollouts in Postgres: one row for each model. */
export class PostgresRolloutStore implements RolloutStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async read(model: string): Promise<ModelReleases> {
    const [row] = await this.#database.read(
      ({ sql }) => sql<{ rollout: RolloutRow | null; stamp: string | null; versions: VersionRow[] }[]>`
        select (select ${sql.unsafe(ROLLOUT_AS_JSON)} from model_rollouts r where r.model = ${model}) as rollout,
          (select xmin::text from model_rollouts where model = ${model}) as stamp,
          (select coalesce(json_agg(${sql.unsafe(VERSION_AS_JSON)} order by v.version), '[]')
            from model_versions v where v.model = ${model}) as versions`,
    )
    return {
      rollout: row?.rollout ? toRollout(row.rollout) : emptyRollout(model),
      versions: row?.versions.map(toVersion) ?? [],
      stamp: row?.stamp ?? undefined,
      said: saidIn(row?.rollout ?? undefined),
    }
  }

  apply(step: RolloutStep, change: NewReleaseChange, said?: Said): Promise<ReleaseChange | undefined> {
    const { actor, request } = change
    return this.#change(actor, AUDITED[request.action], sql => ({
      before: changedRollout(sql, step, said, sql`true`),
      recorded: sql`
        insert into release_changes (id, model, action, details, reason, proposed_by, proposed_in, proposed_at, decided_by, decided_in,
          decided_at, state)
        select ${sql.unsafe(newId())}, ${change.model}, ${request.action}, ${detailsOf(request)}::text::json, ${change.reason},
          ${actor.principal}, ${actor.tenant}, now(), ${actor.principal}, ${actor.tenant}, now(), 'APPLIED'
        from changed returning *`,
    }))
  }

  approve(step: RolloutStep, { id, request }: ReleaseChange, approver: Actor): Promise<ReleaseChange | undefined> {
    return this.#change(approver, AUDITED[request.action], sql => ({
      before: sql`${openProposal(sql, id)}, ${changedRollout(sql, step, undefined, sql`exists (select from open)`)}`,
      recorded: sql`
        update release_changes c set state = 'APPLIED', decided_by = ${approver.principal}, decided_in = ${approver.tenant},
          decided_at = now()
        from changed where c.id = ${id} returning c.*`,
    }))
  }

  propose(before: ModelReleases, change: NewReleaseChange, said?: Said): Promise<ReleaseChange | undefined> {
    const { actor, request, model } = change
    const { revision } = before.rollout
    return this.#change(actor, 'model.change-proposed', sql => ({
      before: sql`stamped as (${said ? noted(sql, model, said, { condition: sql`r.revision = ${revision}` }) : stamped(sql, before)})`,
      recorded: sql`
        insert into release_changes (id, model, action, details, reason, proposed_by, proposed_in, proposed_at, state)
        select ${sql.unsafe(newId())}, ${model}, ${request.action}, ${detailsOf(request, revision)}::text::json, ${change.reason},
          ${actor.principal}, ${actor.tenant}, now(), 'PROPOSED'
        from stamped returning *`,
    }))
  }

  async proposed({ model, request, actor }: NewReleaseChange, revision: number): Promise<ReleaseChange | undefined> {
    const rows = await this.#database.read(
      ({ sql }) => sql<ChangeRow[]>`
        select ${sql.unsafe(CHANGE_COLUMNS)} from release_changes
        where model = ${model} and state = 'PROPOSED' and action = ${request.action}
          and details::jsonb = ${detailsOf(request, revision)}::text::jsonb
          and proposed_by = ${actor.principal} and proposed_in = ${actor.tenant}
        order by id limit 1`,
    )
    return rows.map(toChange)[0]
  }

  refuse({ id }: ReleaseChange, decider: Actor, reason: string): Promise<ReleaseChange | undefined> {
    return this.#change(decider, 'model.change-refused', sql => ({
      before: openProposal(sql, id),
      recorded: sql`
        update release_changes c set state = 'REFUSED', decided_by = ${decider.principal}, decided_in = ${decider.tenant},
          decided_at = now(), decision_reason = ${reason}
        from open where c.id = open.id returning c.*`,
    }))
  }

  async note(model: string, said: Said): Promise<void> {
    await this.#database.write(({ sql }) => noted(sql, model, said, { renews: true }))
  }

  async find(id: string): Promise<ReleaseChange | undefined> {
    const rows = await this.#database.read(
      ({ sql }) => sql<ChangeRow[]>`select ${sql.unsafe(CHANGE_COLUMNS)} from release_changes where id = ${id}`,
    )
    return rows.map(toChange)[0]
  }

  async page(model: string | undefined, { size, after }: ReleaseChangePage): Promise<ReleaseChange[]> {
    const rows = await this.#database.read(
      ({ sql }) => sql<ChangeRow[]>`
        select ${sql.unsafe(CHANGE_COLUMNS)} from release_changes
        where ${model === undefined ? sql`true` : sql`model = ${model}`} and ${after === undefined ? sql`true` : sql`id < ${after}::uuid`}
        order by id desc limit ${size + 1}`,
    )
    return rows.map(toChange)
  }

  /** Runs one statement: what goes before, the row of the change, and its entry of the audit. */
  async #change(
    actor: Actor,
    action: AuditAction,
    parts: (sql: Sql) => { readonly before: Fragment; readonly recorded: Fragment },
  ): Promise<ReleaseChange | undefined> {
    const rows = await this.#database.write(({ sql }) => {
      const { before, recorded } = parts(sql)
      const entry = { rows: sql`recorded`, subject: sql`model`, details: sql`${sql.unsafe(AUDIT_DETAILS)}` }
      return sql<ChangeRow[]>`
        with ${before}, recorded as (${recorded}), audited as (${auditInsert(sql, action, actor, entry)})
        select ${sql.unsafe(CHANGE_COLUMNS)} from recorded`
    })
    return rows.map(toChange)[0]
  }
}

/** A proposal that nobody has decided on, locked: of two decisions at once, one finds it. */
function openProposal(sql: Sql, id: string): Fragment {
  return sql`open as (select id from release_changes where id = ${id} and state = 'PROPOSED' for no key update)`
}

/** Writes the rollout where it and the judged versions are still what they were, marks what serves from now on, and counts. */
function changedRollout(
  sql: Sql,
  { before, next, relyingOn }: RolloutStep,
  said: Said | undefined,
  condition: Fragment,
): Fragment {
  const { model, champion, challenger, shadow, earlier, retired } = next
  const judged = relyingOn.map(({ version }) => version)
  const revisions = relyingOn.map(({ revision }) => revision)
  const folderSaid = said?.source === 'folder' ? said.version : null
  const mlflowSaid = said?.source === 'mlflow' ? said.version : null
  const at = momentOf(sql, said)
  return sql`
    judged as (
      select v.version from model_versions v join unnest(${judged}::text[], ${revisions}::int[]) as given (version, revision)
        on v.model = ${model} and v.version = given.version and v.revision = given.revision
      order by v.version for no key update of v
    ), changed as (
      insert into model_rollouts as r (model, champion, challenger, challenger_share, shadow, shadow_share, earlier, retired, revision,
        changed_at, folder_said, folder_said_at, mlflow_said, mlflow_said_at)
      select ${model}, ${champion ?? null}, ${challenger?.version ?? null}, ${challenger?.share ?? null}::float8,
        ${shadow?.version ?? null}, ${shadow?.share ?? null}::float8, ${[...earlier]}::text[], ${[...retired]}::text[],
        ${before.rollout.revision + 1}::int, now(), ${folderSaid}, case when ${folderSaid}::text is not null then ${at} end,
        ${mlflowSaid}, case when ${mlflowSaid}::text is not null then ${at} end
      where (select count(*) from judged) = ${judged.length} and ${condition}
      on conflict (model) do update set champion = excluded.champion, challenger = excluded.challenger,
        challenger_share = excluded.challenger_share, shadow = excluded.shadow, shadow_share = excluded.shadow_share,
        earlier = excluded.earlier, retired = excluded.retired, revision = excluded.revision, changed_at = excluded.changed_at,
        folder_said = coalesce(excluded.folder_said, r.folder_said), folder_said_at = coalesce(excluded.folder_said_at, r.folder_said_at),
        mlflow_said = coalesce(excluded.mlflow_said, r.mlflow_said), mlflow_said_at = coalesce(excluded.mlflow_said_at, r.mlflow_said_at)
      where r.revision = ${before.rollout.revision}
      returning 1
    ), used as (
      update model_versions set used = true
      from changed where model = ${model} and version = any(${[champion, challenger?.version, shadow?.version].flatMap(name => name ?? [])}::text[])
        and not used
    ), counted as (
      update release_revision set revision = revision + 1 where exists (select from changed)
    )`
}

/** Writes the rollout as it is, for another stamp: of two proposals at once, one gets a row. */
function stamped(sql: Sql, { rollout, stamp }: ModelReleases): Fragment {
  return sql`
    insert into model_rollouts as r (model, earlier, retired, revision, changed_at) values (${rollout.model}, '{}', '{}', 0, now())
    on conflict (model) do update set revision = r.revision where r.xmin::text = ${stamp ?? ''}
    returning 1`
}

/** Notes what a source says; gives a row only where it said something else before, or says it again and `renews` is set. */
function noted(
  sql: Sql,
  model: string,
  said: Said,
  { condition = sql`true`, renews = false }: { condition?: Fragment; renews?: boolean } = {},
): Fragment {
  const column = sql(`${said.source}_said`)
  const columnAt = sql(`${said.source}_said_at`)
  return sql`
    insert into model_rollouts as r (model, earlier, retired, revision, changed_at, ${column}, ${columnAt})
    values (${model}, '{}', '{}', 0, now(), ${said.version}, ${momentOf(sql, said)})
    on conflict (model) do update set ${column} = excluded.${column}, ${columnAt} = excluded.${columnAt}
    where (r.${column} is distinct from excluded.${column} ${renews ? sql`or r.${columnAt} < excluded.${columnAt}` : sql``}) and ${condition}
    returning 1`
}

function momentOf(sql: Sql, said: Said | undefined): Fragment {
  return said?.at ? sql`${said.at.toISOString()}::timestamptz` : sql`now()`
}
