import { createHash } from 'node:crypto'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cpuUsage } from 'node:process'
import { fileURLToPath } from 'node:url'
import { AdmissionProcess } from '../../src/releases/admission/admissionProcess.js'
import { readVersion } from '../../src/releases/admission/readVersion.js'
import { contractSchema, type ModelContract } from '../../src/scoring/contract.js'
import type { FeatureValues } from '../../src/scoring/features.js'
import type { ModelManifest } from '../../src/scoring/manifest.js'
import type { Release } from '../../src/scoring/release.js'
import { goldenRows } from './applicants.js'
import { releaseOf } from './folderReleases.js'

const BUNDLED = fileURLToPath(new URL('../../models/consumer-credit', import.meta.url))
const TOLERANCE = 1e-5

export type Mutation = (graph: Buffer, random: () => number) => Uint8Array

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'a flipped byte': (graph, random) => {
    const at = Math.floor(random() * graph.length)
    return graph.map((byte, i) => (i === at ? byte ^ (1 + Math.floor(random() * 255)) : byte))
  },
  'a flipped bit': (graph, random) => {
    const at = Math.floor(random() * graph.length)
    return graph.map((byte, i) => (i === at ? byte ^ (1 << Math.floor(random() * 8)) : byte))
  },
  'a cut end': (graph, random) => graph.subarray(0, Math.floor(random() * graph.length)),
  garbage: (_graph, random) => Uint8Array.from({ length: 1 + Math.floor(random() * 4_096) }, () => Math.floor(random() * 256)),
  // The greatest number of ten bytes, where a length or a size may stand.
  'a huge number': (graph, random) => {
    const at = Math.floor(random() * graph.length)
    return Buffer.concat([graph.subarray(0, at), Buffer.from('ffffffffffffffffff01', 'hex'), graph.subarray(at)])
  },
  'a part written twice': (graph, random) => {
    const at = Math.floor(random() * graph.length)
    return Buffer.concat([graph.subarray(0, at), graph.subarray(Math.floor(random() * at))])
  },
}

export interface MutantFigures {
  checked: number
  refused: number
  /** Admitted, and answering every golden row within the tolerance, or one float32 step from a threshold. */
  admitted: number
  /** How many of these answer each of the other applications with the same bits as the graph that was changed. */
  alike: number
  /** Admitted although a golden row has another probability: there must be none. */
  wrong: string[]
  /** The most processor time of the gateway's process for one check: it cannot have been held up for longer. */
  mostCpuMs: number
}

/** Checks changed graphs of the bundled versions, each with the right digest: as if somebody had exported them so. */
export async function checkMutants(
  directory: string,
  mutants: Iterable<{ readonly version: string; readonly mutation: string }>,
  { random, others }: { readonly random: () => number; readonly others: readonly FeatureValues[] },
): Promise<MutantFigures> {
  const contract = contractSchema.parse(JSON.parse(await readFile(join(BUNDLED, 'contract.json'), 'utf8')))
  const admission = new AdmissionProcess({ seconds: 10, memoryMib: 1_024 })
  const figures: MutantFigures = { checked: 0, refused: 0, admitted: 0, alike: 0, wrong: [], mostCpuMs: 0 }
  const answers = new Map<string, readonly number[]>()
  try {
    for (const { version, mutation } of mutants) {
      const original = await readFile(join(BUNDLED, version, 'model.onnx'))
      const toCheck = await write(join(directory, version), version, contract, original)
      if (!answers.has(version)) {
        const release = await releaseOf(toCheck, await admission.check(toCheck))
        answers.set(version, await scoresOf(release, others))
        await release.retire()
      }
      const graph = (MUTATIONS[mutation] as Mutation)(original, random)
      await checkOne(await write(join(directory, version), version, contract, graph), admission, figures, {
        mutation,
        others,
        expected: answers.get(version) as readonly number[],
      })
    }
  } finally {
    await admission.close()
  }
  return figures
}

type ToCheck = Awaited<ReturnType<typeof write>>

async function checkOne(
  version: ToCheck,
  admission: AdmissionProcess,
  figures: MutantFigures,
  { mutation, others, expected }: { mutation: string; others: readonly FeatureValues[]; expected: readonly number[] },
): Promise<void> {
  const before = cpuUsage()
  const report = await admission.check(version)
  const { user, system } = cpuUsage(before)
  figures.mostCpuMs = Math.max(figures.mostCpuMs, (user + system) / 1_000)
  figures.checked++
  if (report.problems.length > 0) {
    figures.refused++
    return
  }
  figures.admitted++
  const release = await releaseOf(version, report)
  const rows = goldenRows(version.version)
  const own = await scoresOf(
    release,
    rows.map(({ features }) => features),
  )
  const off = rows.filter(({ probability }, i) => !(Math.abs(probability - (own[i] as number)) <= TOLERANCE)).length
  // So many rows may be one float32 step from a threshold.
  if (off > Math.max(1, Math.floor(rows.length / 100))) figures.wrong.push(`${version.name} with ${mutation}: ${off} rows`)
  const elsewhere = await scoresOf(release, others)
  if (elsewhere.every((answer, i) => Object.is(answer, expected[i]))) figures.alike++
  await release.retire()
}

async function scoresOf(release: Release, rows: readonly FeatureValues[]): Promise<number[]> {
  const scores = await Promise.all(rows.map(row => release.score(row)))
  return scores.map(({ probability }) => probability)
}

async function write(directory: string, version: string, contract: ModelContract, graph: Uint8Array) {
  await cp(join(BUNDLED, version), directory, { recursive: true })
  const manifest = JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')) as ModelManifest
  manifest.onnx.sha256 = createHash('sha256').update(graph).digest('hex')
  await writeFile(join(directory, 'manifest.json'), JSON.stringify(manifest))
  await writeFile(join(directory, 'model.onnx'), graph)
  const read = await readVersion(directory, version, contract)
  if (!read.manifest) throw new Error(read.problems.join(' '))
  return { ...read, manifest: read.manifest }
}
