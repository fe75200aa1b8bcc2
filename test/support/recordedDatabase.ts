import { drizzle } from 'drizzle-orm/postgres-js'
import postgres, { type Sql } from 'postgres'
import { Database } from '../../src/storage/postgres/database.js'
import type { Connections } from '../../src/storage/postgres/sessions.js'

export interface RecordedStatement {
  readonly query: string
  readonly parameters: readonly unknown[]
}

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Index Recheck'?: number
  readonly 'Shared Hit Blocks': number
  readonly 'Shared Read Blocks': number
  readonly 'Relation Name'?: string
  readonly Plans?: readonly PlanNode[]
}

export interface Reading {
  /** Rows that all scans of tables returned or discarded. */
  readonly rows: number
  /** Scans of an index or a table that were started. */
  readonly scans: number
  /** Pages of tables and indexes that were touched. */
  readonly pages: number
}

/** A database that records the statements that read from it, to run them again under EXPLAIN. */
export class RecordedDatabase extends Database {
  readonly #statements: RecordedStatement[] = []
  readonly #sql: Sql

  constructor(url: string) {
    super({ url, poolSize: 4, warn: () => {} })
    this.#sql = postgres(url, { max: 1, onnotice: () => {} })
  }

  override read<T>(work: (connections: Connections) => Promise<T>): Promise<T> {
    return super.read(({ sql }) => {
      const logQuery = (query: string, parameters: unknown[]) => void this.#statements.push({ query, parameters })
      return work({ sql, db: drizzle(sql, { casing: 'snake_case', logger: { logQuery } }) })
    })
  }

  /** The statements since the last call; those that only ask for a plan are left out. */
  take(): RecordedStatement[] {
    return this.#statements.splice(0).filter(({ query }) => !query.startsWith('explain'))
  }

  /** Runs a statement again, and counts the rows, scans and pages it reads. */
  async reading({ query, parameters }: RecordedStatement): Promise<Reading> {
    const [row] = await this.#sql.unsafe<{ 'QUERY PLAN': [{ Plan: PlanNode }] }[]>(
      `explain (analyze, buffers, timing off, format json) ${query}`,
      parameters as never[],
    )
    const plan = row?.['QUERY PLAN'][0].Plan as PlanNode
    const scans = nodesOf(plan).filter(node => node['Relation Name'] !== undefined && node['Actual Loops'] > 0)
    return {
      rows: scans.reduce((sum, node) => sum + rowsOf(node), 0),
      scans: scans.reduce((sum, node) => sum + node['Actual Loops'], 0),
      pages: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'],
    }
  }

  override async close(): Promise<void> {
    await super.close()
    await this.#sql.end({ timeout: 1 })
  }
}

function nodesOf(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)]
}

/** EXPLAIN gives the mean of all loops. */
function rowsOf(node: PlanNode): number {
  const removed = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)
  return (node['Actual Rows'] + removed) * node['Actual Loops']
}
