import { createHash } from 'node:crypto'
import type { ReadVersion } from '../../releases/rollout/rolloutStore.js'
import { contractSchema } from '../../scoring/contract.js'
import { manifestSchema } from '../../scoring/manifest.js'
import { milliseconds } from '../postgres/instants.js'

/** The files that a version is described by. */
export const CONTRACT_FILE = 'contract.json'
export const MANIFEST_FILE = 'manifest.json'

/** A version as one JSON value, for a row `v` of model_versions. */
export const VERSION_AS_JSON = `json_build_object('model', v.model, 'version', v.version, 'contract', v.contract, 'manifest', v.manifest,
  'files', v.files, 'report', v.report, 'signature', v.signature, 'origin', v.origin, 'storedAt', ${milliseconds('v.stored_at')},
  'revision', v.revision)`

/** How VERSION_AS_JSON arrives. */
export interface VersionRow extends Pick<ReadVersion, 'model' | 'version' | 'files' | 'report' | 'origin' | 'revision'> {
  readonly contract: string | null
  readonly manifest: string | null
  readonly signature: string | null
  readonly storedAt: number
}

/** A text that is not that of its file, or a report that is none, was changed by hand: it is not used. */
export function toVersion(row: VersionRow): ReadVersion {
  const { contract, manifest, signature, storedAt, report, ...rest } = row
  return {
    ...rest,
    report: isReport(report) ? report : { ...UNREADABLE, model: row.model, version: row.version },
    contract: parsed(textOf(CONTRACT_FILE, contract, row), contractSchema),
    manifest: parsed(textOf(MANIFEST_FILE, manifest, row), manifestSchema),
    signature: signature ?? undefined,
    storedAt: new Date(storedAt),
  }
}

const UNREADABLE = {
  content: '',
  checkedAt: new Date(0).toISOString(),
  checkedBy: { riskgate: '', onnxRuntime: '', platform: '' },
  problems: ['its stored report cannot be read. Check the version again: admitModelVersion.'],
  championProblems: [],
  warnings: [],
  rowByRow: false,
  answers: [],
}

function isReport(report: unknown): boolean {
  const { problems, championProblems, warnings, answers, content } = (report ?? {}) as Record<string, unknown>
  return [problems, championProblems, warnings, answers].every(Array.isArray) && typeof content === 'string'
}

/** The text where it is that of the file, whose digest a signed report covers. */
function textOf(name: string, text: string | null, { files }: Pick<VersionRow, 'files'>): string | null {
  if (text === null) return null
  const digest = createHash('sha256').update(text).digest('hex')
  return files.some(file => file.name === name && file.sha256 === digest) ? text : null
}

function parsed<T>(
  text: string | null,
  schema: { safeParse(value: unknown): { success: true; data: T } | { success: false } },
): T | undefined {
  if (text === null) return undefined
  try {
    const result = schema.safeParse(JSON.parse(text.replace(/^\uFEFF/, '')))
    return result.success ? result.data : undefined
  } catch {
    return undefined
  }
}
