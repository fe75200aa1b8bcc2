import type { StoredVersion } from '../../releases/rollout/versionStore.js'
import { RISK_BANDS } from '../../scoring/bands.js'
import { ComparisonStore } from '../../storage/releases/comparisonStore.js'
import { printRows, withReleases } from './withReleases.js'

const MONTH_MS = 30 * 86_400_000

interface DiffOptions {
  readonly from?: Date
  readonly to?: Date
  readonly tenant: string
}

type Facts = ReadonlyMap<string, unknown>

/**
 * Prints what differs between two versions: manifest, metrics, what the checks found, bands and features. Then, where both have scored
 * the same applications, how many of them changed their band. @throws Error where one of them is not there
 */
export async function diffVersions(model: string, version: string, other: string, options: DiffOptions): Promise<void> {
  const { to = new Date(), from = new Date(to.getTime() - MONTH_MS), tenant } = options
  const { versions, comparison } = await withReleases(async ({ rollouts, database }) => ({
    versions: (await rollouts.read(model)).versions,
    comparison: await new ComparisonStore(database).compare(tenant, { model, version, against: other, from, to }),
  }))
  const [mine, theirs] = [version, other].map(name =>
    factsOf(
      versions.find(stored => stored.version === name),
      name,
    ),
  )
  printRows([['', version, other], ...differences(mine as Facts, theirs as Facts)])
  if (comparison.rows === 0) return
  const { rows, complete, matrix, meanDifference, quantiles } = comparison
  const scored = `${rows}${complete ? '' : ', the newest'} applications scored by both`
  process.stdout.write(`\n${scored}; rows: band by ${other}, columns: band by ${version}\n`)
  printRows([['', ...RISK_BANDS], ...matrix.map(({ band, counts }) => [band, ...counts])])
  const spread = quantiles.map(({ quantile, difference }) => `${quantile * 100} %: ${difference.toFixed(4)}`)
  process.stdout.write(`\n${version} minus ${other}: mean ${meanDifference?.toFixed(4)}; ${spread.join(', ')}\n`)
}

function differences(mine: Facts, theirs: Facts): unknown[][] {
  const names = [...new Set([...mine.keys(), ...theirs.keys()])]
  const rows = names.map(name => [name, textOf(mine.get(name)), textOf(theirs.get(name))])
  return rows.filter(([, one, another]) => one !== another)
}

function textOf(value: unknown): string {
  if (value === undefined) return '-'
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function factsOf(stored: StoredVersion | undefined, name: string): Facts {
  if (!stored) throw new Error(`No gateway has checked version ${name}. \`riskgate model list\` shows those that are there.`)
  const { manifest, report, origin } = stored
  const { golden, quality, problems, championProblems, warnings, cost } = report
  const columns = manifest?.onnx.inputs.flatMap(input => input.columns) ?? []
  const used = new Set(columns.map(({ feature }) => feature))
  const features = stored.contract?.features.map(
    feature => [`feature ${feature.name}`, used.has(feature.name) ? 'used' : 'unused'] as const,
  )
  return new Map<string, unknown>([
    ['origin', origin.source === 'folder' ? 'folder' : `mlflow ${origin.name}/${origin.version}`],
    ['algorithm', manifest?.algorithm],
    ['created', manifest?.createdAt],
    ['digest', manifest?.onnx.sha256],
    ['inputs', manifest?.onnx.inputs.map(input => `${input.name} ${input.type}[${input.columns.length}]`).join(', ')],
    ['output', manifest && `${manifest.onnx.output.name} column ${manifest.onnx.output.column}`],
    ...RISK_BANDS.slice(1).map((band, i) => [`${band} from`, manifest?.bands.cutoffs[i]] as const),
    ['high risk from', manifest?.bands.highRiskFrom],
    ...(manifest?.metrics ?? []).map(metric => [`${metric.name} (${metric.dataset})`, metric.value] as const),
    ...Object.entries(quality ?? {}).map(([key, value]) => [`${key} of the checks`, value] as const),
    ['golden rows', golden?.rows],
    ['worst golden deviation', golden?.worstDeviation],
    ['problems', problems.length + championProblems.length],
    ['warnings', warnings.length],
    ['milliseconds a row', cost?.rowMs],
    ...(features ?? []),
  ])
}
