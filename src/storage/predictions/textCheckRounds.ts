import type { Database } from '../postgres/database.js'
import { databaseTime } from '../postgres/instants.js'
import { firstIdOf } from '../postgres/partitions.js'

// A row may be committed later than its id says, and by a gateway whose clock is a little behind: each round reads these minutes again.
const OVERLAP_MS = 600_000
const ROUND_EVERY_MS = 300_000

/** A round over the predictions with ids between `from` and `to`, and how far it has come. */
export interface OpenRound {
  readonly from: string
  readonly to: string
  /** The tenant that is being read; before the first one, the empty text. */
  readonly tenant: string
  readonly lastId: string
}

/** Where a round goes on. */
type Place = Pick<OpenRound, 'tenant' | 'lastId'>

export interface Checked {
  /** Whether every prediction from before the migration has canonical texts. */
  readonly isComplete: boolean
  /** From this id on, predictions may have other texts. Undefined once no older gateway can be left. */
  readonly upTo: string | undefined
}

export async function whatIsChecked(database: Database): Promise<Checked> {
  const [row] = await database.read(
    ({ sql }) => sql<{ complete: boolean; from: string | null; to: string; isOver: boolean }[]>`
      select complete, case when tenant is not null then round_from end as from, round_to as to, now() >= ends_at as "isOver"
      from text_check`,
  )
  if (!row) return { isComplete: false, upTo: undefined }
  return { isComplete: row.complete, upTo: row.isOver ? undefined : (row.from ?? overlapping(row.to)) }
}

export async function openRound(database: Database): Promise<OpenRound | undefined> {
  const [round] = await database.read(
    ({ sql }) => sql<OpenRound[]>`
      select round_from as "from", round_to as "to", tenant, last_id as "lastId" from text_check where tenant is not null`,
  )
  return round
}

/** Begins the next round, some minutes after the last one; undefined where another gateway was first, and once no older gateway can be left. */
export async function beginRound(database: Database): Promise<OpenRound | undefined> {
  const now = await database.read(({ sql }) => databaseTime(sql))
  const [last] = await database.read(({ sql }) => sql<{ to: string }[]>`select round_to as "to" from text_check`)
  if (!last || now - timeOf(last.to) < ROUND_EVERY_MS) return undefined
  const [from, to] = [overlapping(last.to), firstIdOf(new Date(now))]
  const [round] = await database.write(
    ({ sql }) => sql<OpenRound[]>`
      update text_check set round_from = ${from}, round_to = ${to}, tenant = '', last_id = ${from}
      where tenant is null and round_to = ${last.to} and now() < ends_at
      returning round_from as "from", round_to as "to", tenant, last_id as "lastId"`,
  )
  return round
}

/** Notes how far the round has come; undefined where another gateway has gone on with it. */
export async function turnPage(database: Database, round: OpenRound, { tenant, lastId }: Place): Promise<OpenRound | undefined> {
  const turned = await database.write(
    ({ sql }) => sql`
      update text_check set tenant = ${tenant}, last_id = ${lastId}
      where round_to = ${round.to} and tenant = ${round.tenant} and last_id = ${round.lastId} returning 1`,
  )
  return turned.length > 0 ? { ...round, tenant, lastId } : undefined
}

export async function closeRound(database: Database, { to, tenant, lastId }: OpenRound): Promise<undefined> {
  await database.write(
    ({ sql }) => sql`
      update text_check set tenant = null, complete = true
      where round_to = ${to} and tenant = ${tenant} and last_id = ${lastId}`,
  )
}

/** Where the round begins that follows a round up to this id. */
function overlapping(to: string): string {
  return firstIdOf(new Date(timeOf(to) - OVERLAP_MS))
}

/** Milliseconds since 1970 of a UUIDv7. */
function timeOf(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
}
