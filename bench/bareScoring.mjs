import '../dist/scoring/onnx/telemetryOff.js'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import postgres from 'postgres'

const MODEL_DIRECTORY = 'models/consumer-credit/2'
const MAX_ROWS_A_STATEMENT = 256
const CONNECTIONS = 2

export const CREATE_TABLE = `create table if not exists floor_predictions (
  id uuid primary key, applicant_id text not null, channel text, probability double precision not null, band smallint not null,
  features jsonb not null, created_at timestamptz not null)`

/**
 * Bare scoring and storing, shared by both bare programs.
 * @typedef {{ applicantId: string, channel?: string, features: Record<string, unknown> }} Application
 * @typedef {{ id: string, probability: number, band: number, createdAt: Date }} Answer
 */
export async function createBareScoring(databaseUrl) {
  const manifest = JSON.parse(await readFile(join(MODEL_DIRECTORY, 'manifest.json'), 'utf8'))
  const [{ name, columns }] = manifest.onnx.inputs
  const { output } = manifest.onnx
  const { cutoffs } = manifest.bands
  const session = await InferenceSession.create(join(MODEL_DIRECTORY, manifest.onnx.file), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
  })
  const sql = postgres(databaseUrl, { max: CONNECTIONS, onnotice: () => {} })
  const width = columns.length

  /** @param {readonly Application[]} rows */
  async function score(rows) {
    const cells = new Float32Array(rows.length * width)
    let at = 0
    for (const { features } of rows) {
      for (const { feature, equals } of columns) {
        const value = features[feature]
        cells[at++] = equals !== undefined ? Number(value === equals) : value == null ? Number.NaN : Number(value)
      }
    }
    const answer = await session.run({ [name]: new Tensor('float32', cells, [rows.length, width]) }, [output.name])
    const { data, dims } = answer[output.name]
    const columnsOut = dims[1] ?? 1
    return rows.map((_, row) => data[row * columnsOut + output.column])
  }

  /** @param {readonly Application[]} rows */
  async function store(rows, probabilities) {
    const createdAt = new Date()
    const stored = rows.map(({ applicantId, channel, features }, i) => {
      const probability = probabilities[i]
      const above = cutoffs.findIndex(cutoff => probability < cutoff)
      const band = above === -1 ? cutoffs.length + 1 : above + 1
      return { id: randomUUID(), applicant_id: applicantId, channel, probability, band, features, created_at: createdAt }
    })
    await sql`
      insert into floor_predictions
      select * from json_to_recordset(${JSON.stringify(stored)}::text::json) as row (
        id uuid, applicant_id text, channel text, probability double precision, band smallint, features jsonb, created_at timestamptz)`
    return stored
  }

  return { score, store, close: () => sql.end({ timeout: 1 }) }
}

/** Joins items that arrive while earlier groups run. */
export function joined(run, { maxRunning, maxItems = MAX_ROWS_A_STATEMENT }) {
  let waiting = []
  let running = 0
  let scheduled = false
  const schedule = () => {
    if (scheduled || waiting.length === 0 || running >= maxRunning) return
    scheduled = true
    setImmediate(start)
  }
  const start = async () => {
    scheduled = false
    const group = waiting.length > maxItems ? waiting.splice(0, maxItems) : waiting
    if (group === waiting) waiting = []
    running++
    schedule()
    try {
      const answers = await run(group.map(({ item }) => item))
      for (let i = 0; i < group.length; i++) group[i].resolve(answers[i])
    } catch (error) {
      for (const { reject } of group) reject(error)
    }
    running--
    schedule()
  }
  return item =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      schedule()
    })
}
