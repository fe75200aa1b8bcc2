import type { AdmissionReport } from '../../releases/admission/admissionReport.js'
import { RISK_BANDS } from '../../scoring/bands.js'

const MIB = 2 ** 20

/** What the checks of a version measured, a line for each kind. */
export function reportLines({ golden, bandShares, quality, comparison, rowByRow, cost }: AdmissionReport): string[] {
  return [
    ...(golden ? [`${golden.rows} golden rows, the worst ${golden.worstDeviation.toExponential(1)} off`] : []),
    ...(bandShares
      ? [`bands of these rows: ${bandShares.map((share, i) => `${RISK_BANDS[i]} ${percent(share)}`).join(', ')}`]
      : []),
    ...(quality ? [`${quality.rows} known outcomes: ${figures(quality)}`] : []),
    ...(comparison ? [comparisonLine(comparison)] : []),
    ...(rowByRow ? ['rows are run one by one: in a group their last bits differ'] : []),
    ...(cost ? [costLine(cost)] : []),
  ]
}

function figures({ auc, ks, gini, brier }: NonNullable<AdmissionReport['quality']>): string {
  return `AUC ${auc.toFixed(3)}, KS ${ks.toFixed(3)}, Gini ${gini.toFixed(3)}, Brier ${brier.toFixed(3)}`
}

function comparisonLine({ champion, psi, quality }: NonNullable<AdmissionReport['comparison']>): string {
  return `beside the champion ${champion}: PSI ${psi.toFixed(3)}${quality ? `; the champion has ${figures(quality)}` : ''}`
}

function costLine({ loadMs, rowMs, groupMs, groupRows, peakBytes }: NonNullable<AdmissionReport['cost']>): string {
  const times = `load ${loadMs.toFixed(0)} ms, one row ${rowMs.toFixed(2)} ms, ${groupRows} rows ${groupMs.toFixed(1)} ms`
  return `${times}, ${Math.round(peakBytes / MIB)} MiB in the process of the checks`
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`
}
