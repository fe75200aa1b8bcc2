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

export function toVersion(row: VersionRow): ReadVersion {
  const { contract, manifest, signature, storedAt, ...rest } = row
  return {
    ...rest,
    contract: parsed(contract, contractSchema),
    manifest: parsed(manifest, manifestSchema),
    signature: signature ?? undefined,
    storedAt: new Date(storedAt),
  }
}

function parsed<T>(
  text: string | null,
  schema: { safeParse(value: unknown): { success: true; data: T } | { success: false } },
): T | undefined {
  if (text === null) return undefined
  try {
    const result = schema.safeParse(JSON.parse(text))
    return result.success ? result.data : undefined
  } catch {
    return undefined
  }
}
