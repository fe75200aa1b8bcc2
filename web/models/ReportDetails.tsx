import { figure, instant, mebibytes, percent, short, signed } from './format'
import type { Report, Version } from './releases'

export function ReportDetails({ report, bands }: { report: Report; bands: Version['bands'] }) {
  return (
    <>
      <ReportFacts report={report} />
      <div className="tables">
        <QualityTable report={report} />
        <BandTable shares={report.bandShares} bands={bands} />
      </div>
    </>
  )
}

function ReportFacts({ report }: { report: Report }) {
  const { loadMs, rowMs, peakBytes, populationStabilityIndex: psi } = report
  return (
    <dl className="facts">
      <div>
        <dt>Checked</dt>
        <dd>
          <time dateTime={report.checkedAt}>{instant(report.checkedAt)}</time> by {report.checkedBy}
        </dd>
      </div>
      <div>
        <dt>Report signed</dt>
        <dd>{report.signed ? 'yes, by this installation' : 'no: only a gateway with the key of this installation signs'}</dd>
      </div>
      <div>
        <dt>Golden rows</dt>
        <dd>{goldenRows(report)}</dd>
      </div>
      {psi !== null && (
        <div>
          <dt>PSI</dt>
          <dd>
            {psi.toFixed(3)} against version {report.comparedWith}: the scores {shiftOf(psi)}
          </dd>
        </div>
      )}
      {loadMs !== null && rowMs !== null && peakBytes !== null && (
        <div>
          <dt>Cost</dt>
          <dd>
            {short(loadMs)} ms to load, {short(rowMs)} ms a row, {mebibytes(peakBytes)} of memory for the checks
          </dd>
        </div>
      )}
      {report.rowByRow && (
        <div>
          <dt>Row by row</dt>
          <dd>yes: in company the graph gives a row other bits, so each row is run alone</dd>
        </div>
      )}
    </dl>
  )
}

function goldenRows({ goldenRows: rows, worstGoldenDeviation: worst }: Report): string {
  if (rows === null) return 'none: nothing was compared with the library that made the model'
  return worst === null ? `${rows}` : `${rows}, at most ${short(worst)} from the library that made the model`
}

// The usual lines for a population stability index.
function shiftOf(psi: number): string {
  if (psi <= 0.1) return 'have hardly shifted'
  return psi <= 0.25 ? 'have shifted a little' : 'have shifted greatly'
}

const MEASURES = [
  { key: 'auc', name: 'AUC', isHigherBetter: true },
  { key: 'ks', name: 'KS', isHigherBetter: true },
  { key: 'gini', name: 'Gini', isHigherBetter: true },
  { key: 'brier', name: 'Brier', isHigherBetter: false },
] as const

function QualityTable({ report: { quality, championQuality, comparedWith } }: { report: Report }) {
  if (!quality) return null
  return (
    <table>
      <caption>Quality on {quality.rows} rows whose outcome is known</caption>
      <thead>
        <tr>
          <th scope="col">Measure</th>
          <th scope="col">This version</th>
          {championQuality && (
            <th scope="col" className="named">
              Version {comparedWith}
            </th>
          )}
          {championQuality && <th scope="col">Difference</th>}
        </tr>
      </thead>
      <tbody>
        {MEASURES.map(({ key, name, isHigherBetter }) => (
          <tr key={key}>
            <th scope="row">{name}</th>
            <td>{figure(quality[key])}</td>
            {championQuality && <td>{figure(championQuality[key])}</td>}
            {championQuality && <Difference value={quality[key] - championQuality[key]} isHigherBetter={isHigherBetter} />}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Difference({ value, isHigherBetter }: { value: number; isHigherBetter: boolean }) {
  const shown = signed(value)
  if (Number(shown) === 0) return <td>equal</td>
  return (
    <td>
      {shown} <span className="verdict">{value > 0 === isHigherBetter ? 'better' : 'worse'}</span>
    </td>
  )
}

function BandTable({ shares, bands }: { shares: Report['bandShares']; bands: Version['bands'] }) {
  if (!shares) return null
  const largest = Math.max(...shares)
  return (
    <table>
      <caption>Share of the scored rows in each band</caption>
      <thead>
        <tr>
          <th scope="col">Band</th>
          <th scope="col">PD from</th>
          <th scope="col" className="shares">
            Share
          </th>
        </tr>
      </thead>
      <tbody>
        {bands.map(({ band, from }, i) => (
          <BandRow key={band} band={band} from={from} share={shares[i] ?? 0} largest={largest} />
        ))}
      </tbody>
    </table>
  )
}

function BandRow({ band, from, share, largest }: { band: string; from: number; share: number; largest: number }) {
  return (
    <tr>
      <th scope="row">{band}</th>
      <td>{percent(from)}</td>
      <td className="shares">
        <span className="share-bar" style={{ inlineSize: `${(share / largest) * 60}%` }} aria-hidden="true" /> {percent(share)}
      </td>
    </tr>
  )
}
