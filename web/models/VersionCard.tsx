import { instant } from './format'
import { ReportDetails } from './ReportDetails'
import type { Version } from './releases'

type Stage = Version['stage']

const MEANING: Record<Stage, string> = {
  CHAMPION: 'It answers.',
  CHALLENGER: 'It answers its share of the applicants in place of the champion.',
  SHADOW: 'It scores its share of the applications once more. Nobody gets its answers.',
  CANDIDATE: 'It has passed its checks and serves nobody.',
  REJECTED: 'Its checks found problems. It must not serve.',
  RETIRED: 'It was taken out, and no rollback goes back to it.',
}

/** `storedStage`: what the rollout says; this gateway may not have applied it. */
export function VersionCard({ version, storedStage }: { version: Version; storedStage: Stage | undefined }) {
  const { stage, report, createdAt } = version
  const problems = [...new Set([...(version.problems ?? []), ...(report?.problems ?? [])])]
  const forChampion = report?.championProblems ?? []
  const warnings = [...new Set([...(version.warnings ?? []), ...(report?.warnings ?? [])])].filter(
    warning => !forChampion.includes(warning),
  )
  const isServing = stage === 'CHAMPION' || stage === 'CHALLENGER' || stage === 'SHADOW'
  return (
    <details className="version" open={isServing || stage === 'REJECTED'}>
      <summary>
        <h3>Version {version.version}</h3> <span className={`stage stage-${stage}`}>{stage}</span>
      </summary>
      <p className="meaning">{MEANING[stage]}</p>
      {storedStage && storedStage !== stage && (
        <p className="problem">
          By the rollout it is {storedStage}, but the gateway that you asked has not applied this. Refresh in a moment; if it
          stays, its log and <code>/readyz</code> say why.
        </p>
      )}
      <Sentences title="Problems" sentences={problems} kind="problem" />
      <Sentences title="Why it must not be champion or challenger" sentences={forChampion} kind="problem" />
      <Sentences title="Warnings" sentences={warnings} kind="warning" />
      <dl className="facts">
        <div>
          <dt>From</dt>
          <dd>{originOf(version)}</dd>
        </div>
        {createdAt && (
          <div>
            <dt>Made</dt>
            <dd>
              <time dateTime={createdAt}>{instant(createdAt)}</time>
            </dd>
          </div>
        )}
      </dl>
      {report ? (
        <ReportDetails report={report} bands={version.bands} />
      ) : (
        <p>There is no report: no gateway has checked this version.</p>
      )}
    </details>
  )
}

function Sentences({ title, sentences, kind }: { title: string; sentences: readonly string[]; kind: 'problem' | 'warning' }) {
  if (sentences.length === 0) return null
  return (
    <div className={kind}>
      <h4>{title}</h4>
      <ul>
        {sentences.map(sentence => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
    </div>
  )
}

function originOf({ origin }: Version): string {
  if (!origin) return 'not known'
  if (origin.source === 'FOLDER') return 'the models folder'
  const run = origin.runId ? `, run ${origin.runId}` : ''
  return `MLflow: ${origin.name} ${origin.version}${run}`
}
