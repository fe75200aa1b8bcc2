import type { ModelContract } from '../../scoring/contract.js'
import { OnnxModel } from '../../scoring/onnx/onnxModel.js'
import { saidBy } from '../../scoring/onnx/runtimeSentence.js'
import { spellingsOf } from '../../scoring/spellings.js'
import type { VersionToCheck } from './admission.js'
import type { AdmissionReport } from './admissionReport.js'
import { bandSharesOf, stabilityIndex } from './bandShares.js'
import { scoreRows } from './goldenCheck.js'
import type { GoldenRow } from './goldenRows.js'
import { type Quality, qualityOf } from './quality.js'
import { readGraph } from './versionFiles.js'

/** The usual line above which a distribution of scores has shifted greatly. */
const GREAT_SHIFT = 0.25
/** A smaller fall is within what another sample gives. */
const FALL_OF_AUC = 0.005
/** With fewer rows the shares of bands say nothing. */
const FEWEST_ROWS = 50

type Champion = NonNullable<VersionToCheck['champion']>
interface Compared {
  readonly comparison: AdmissionReport['comparison']
  readonly warnings: string[]
}

/** Scores the golden rows of a version with the champion, too. A champion that cannot is named, and compared with no further. */
export async function compareWithChampion(
  { directory, manifest }: Champion,
  contract: ModelContract,
  rows: readonly GoldenRow[],
  scored: readonly { readonly probability: number }[],
  quality: Quality | undefined,
): Promise<Compared | undefined> {
  if (rows.length < FEWEST_ROWS) return undefined
  const name = `${manifest.model}/${manifest.version}`
  let model: OnnxModel | undefined
  try {
    const graph = await readGraph({ directory, name }, manifest)
    if ('problem' in graph) return { comparison: undefined, warnings: [`there is nothing to compare with: ${graph.problem}`] }
    model = await OnnxModel.load(graph.bytes, manifest, spellingsOf(contract))
    const answers = (await scoreRows(model, rows)).map(answer => Math.min(answer, 1))
    const of = rows.flatMap(({ defaulted }, i) =>
      defaulted === undefined ? [] : [{ probability: answers[i] as number, defaulted }],
    )
    const theirs = qualityOf(of)
    const own = scored.map(({ probability }) => probability)
    const psi = stabilityIndex(bandSharesOf(answers, manifest.bands), bandSharesOf(own, manifest.bands))
    return {
      comparison: { champion: manifest.version, psi, quality: theirs },
      warnings: comparisonWarnings(manifest.version, psi, quality, theirs),
    }
  } catch (error) {
    return { comparison: undefined, warnings: [`the champion ${name} cannot score these rows: ${saidBy(error)}.`] }
  } finally {
    await model?.release()
  }
}

function comparisonWarnings(champion: string, psi: number, own: Quality | undefined, theirs: Quality | undefined): string[] {
  const falls = own && theirs && theirs.auc - own.auc > FALL_OF_AUC
  return [
    ...(falls
      ? [`it separates worse than the champion ${champion}: AUC ${own.auc.toFixed(3)} after ${theirs.auc.toFixed(3)}.`]
      : []),
    ...(psi > GREAT_SHIFT
      ? [
          `its scores are spread over the bands otherwise than those of the champion ${champion}: PSI ${psi.toFixed(2)}, above ${GREAT_SHIFT}.`,
        ]
      : []),
  ]
}
