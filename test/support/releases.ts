import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AdmissionReport } from '../../src/releases/admission/admissionReport.js'
import { versionIdentity } from '../../src/releases/admission/contentDigest.js'
import { signReport } from '../../src/releases/admission/reportSignature.js'
import { ReleaseControl } from '../../src/releases/rollout/releaseControl.js'
import type { NewVersion, StoredFile } from '../../src/releases/rollout/versionStore.js'
import type { ModelManifest } from '../../src/scoring/manifest.js'
import { PostgresRolloutStore } from '../../src/storage/releases/rolloutStore.js'
import { PostgresVersionStore } from '../../src/storage/releases/versionStore.js'
import { TEST_RELEASE_KEY } from './gateway.js'
import { present } from './process.js'
import { storesOf } from './stores.js'

const MODEL = 'consumer-credit'

/** Bodies of the REST routes of releases, in the order of the routes, over what `prepareReleases` has stored. */
export const RELEASE_BODIES = {
  promoteModelVersion: { version: 'b', reason: 'called' },
  rollbackModel: { reason: 'called' },
  setTrafficSplit: { shadow: { version: 'c', share: 1 }, reason: 'called' },
  retireModelVersion: { version: 'd', reason: 'called' },
  refuseReleaseChange: { reason: 'called' },
}

/** Stores some versions with one of them as champion, and gives the ids of two proposals. */
export async function prepareReleases(url: string): Promise<readonly [string, string]> {
  await using stores = storesOf(url)
  const versions = new PostgresVersionStore(stores.database)
  const quality = { rows: 100, auc: 0.85, ks: 0.5, gini: 0.7, brier: 0.1 }
  const report = { quality, comparison: { champion: '1', psi: 0.1, quality } }
  for (const version of ['1', '2', 'a', 'b', 'c', 'd']) await versions.put(newVersion({ version, report }))
  const rollouts = new PostgresRolloutStore(stores.database)
  const asked = { model: MODEL, reason: 'prepared' }
  const actor = { tenant: 'default', principal: 'preparer' }
  await new ReleaseControl(rollouts).promote(actor, { ...asked, version: 'a' })
  const strict = new ReleaseControl(rollouts, { needsApproval: true })
  const proposals = [
    await strict.promote(actor, { ...asked, version: 'b' }),
    await strict.promote(actor, { ...asked, version: 'c' }),
  ]
  return proposals.map(({ change }) => present(change).id) as [string, string]
}

const DIRECTORY = join('models', MODEL)

interface Given {
  readonly version: string
  readonly report?: Partial<AdmissionReport>
  readonly signature?: string
  /** Changes of the manifest: other cut-offs make another version of the same graph. */
  readonly manifest?: Partial<ModelManifest>
  /** More files, by name. */
  readonly more?: Readonly<Record<string, Uint8Array>>
  readonly origin?: NewVersion['origin']
}

/** A version as an admission gives it to the store: the bundled one under this name. Counts which files are read. */
export function newVersion({
  version,
  report,
  signature,
  manifest,
  more = {},
  origin = { source: 'folder' },
}: Given): NewVersion & {
  readonly reads: string[]
} {
  const bundled = JSON.parse(readFileSync(join(DIRECTORY, '2/manifest.json'), 'utf8')) as ModelManifest
  const own = { ...bundled, version, ...manifest }
  const bytesOf: Record<string, Uint8Array> = {
    'contract.json': readFileSync(join(DIRECTORY, 'contract.json')),
    'manifest.json': Buffer.from(JSON.stringify(own)),
    'golden.jsonl': readFileSync(join(DIRECTORY, '2/golden.jsonl')),
    'model.onnx': readFileSync(join(DIRECTORY, '2/model.onnx')),
    ...more,
  }
  const reads: string[] = []
  const made = newReport({ version, ...report })
  return {
    model: MODEL,
    version,
    identity: versionIdentity(own),
    files: Object.entries(bytesOf).map(([name, bytes]) => ({ name, sha256: digestOf(bytes) })),
    report: made,
    signature: signature ?? signReport(made, Buffer.from(TEST_RELEASE_KEY)),
    origin,
    reads,
    read: async ({ name }: StoredFile) => {
      reads.push(name)
      return bytesOf[name] as Uint8Array
    },
  }
}

/** What the admission says of a version that could not be read. */
export function rejectedVersion(version: string, ...problems: string[]): NewVersion {
  return { ...newVersion({ version, report: { problems } }), identity: undefined, files: [] }
}

export function newReport(given: Partial<AdmissionReport> = {}): AdmissionReport {
  return {
    model: MODEL,
    version: '2',
    content: digestOf(Buffer.from(JSON.stringify(given))),
    checkedAt: '2031-05-01T00:00:00.000Z',
    checkedBy: { riskgate: '0.3.0', onnxRuntime: '1.30.0', platform: 'linux-x64' },
    problems: [],
    championProblems: [],
    warnings: [],
    rowByRow: false,
    answers: [0.1, 0.25],
    ...given,
  }
}

export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
