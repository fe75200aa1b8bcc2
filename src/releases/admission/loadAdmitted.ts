import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { OnnxModel } from '../../scoring/onnx/onnxModel.js'
import { spellingsOf } from '../../scoring/spellings.js'
import { saidBy } from '../runtimeSentence.js'
import type { VersionToCheck } from './admission.js'
import type { AdmissionReport } from './admissionReport.js'
import { type GoldenRow, parseGoldenRows } from './goldenRows.js'
import { PARITY_ROWS, requireParity } from './parity.js'
import { readGraph } from './versionFiles.js'

// Room for so many rows of hundreds of features.
const FIRST_BYTES = 2 ** 20

/** Loads a version that has passed its checks, and compares its answers with those of its report. @throws Error with what to do */
export async function loadAdmitted(version: VersionToCheck, report: AdmissionReport): Promise<OnnxModel> {
  const { name, contract, manifest } = version
  const graph = await readGraph(version, manifest)
  if ('problem' in graph) throw new Error(graph.problem)
  let model: OnnxModel | undefined
  try {
    model = await OnnxModel.load(graph.bytes, manifest, spellingsOf(contract))
    if (report.rowByRow) model.runRowByRow()
    await requireParity(model, contract, await firstRows(version), report)
    return model
  } catch (error) {
    await model?.release()
    throw new Error(`${name}/${manifest.onnx.file} cannot be loaded: ${saidBy(error)}.`)
  }
}

/** The golden rows that the report has answers of, without reading a large file as a whole. */
async function firstRows({ directory, name, contract }: VersionToCheck): Promise<readonly GoldenRow[]> {
  const file = await open(join(directory, 'golden.jsonl')).catch(() => undefined)
  if (!file) return []
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(FIRST_BYTES), 0, FIRST_BYTES, 0)
    const lines = buffer
      .toString('utf8', 0, bytesRead)
      .replace(/^\uFEFF/, '')
      .split('\n')
    const whole = bytesRead < FIRST_BYTES ? lines : lines.slice(0, -1)
    const filled = whole.filter(line => line.trim() !== '').slice(0, PARITY_ROWS)
    const read = parseGoldenRows(filled.join('\n'), `${name}/golden.jsonl`, contract)
    return 'rows' in read ? read.rows : []
  } finally {
    await file.close()
  }
}
