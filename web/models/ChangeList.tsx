import { instant, percent } from './format'
import type { Change, Changes } from './releases'

export function ChangeList({ model, changes: { nodes, pageInfo } }: { model: string; changes: Changes }) {
  return (
    <section aria-labelledby={`changes-${model}`}>
      <h3 id={`changes-${model}`}>Last changes</h3>
      {nodes.length === 0 && <p>Nobody has changed this rollout yet.</p>}
      <ol className="changes">
        {nodes.map(change => (
          <li key={change.id}>
            <strong>{whatOf(change)}</strong> {change.state !== 'APPLIED' && <span className="stage">{change.state}</span>}
            <span className="who-when">
              {nameOf(change.proposedBy)}, <time dateTime={change.proposedAt}>{instant(change.proposedAt)}</time>
              <Decision change={change} />
            </span>
            <q>{change.reason}</q>
          </li>
        ))}
      </ol>
      {pageInfo.hasNextPage && (
        <p>
          Earlier ones: <code>riskgate model changes</code>, or releaseChanges in GraphQL.
        </p>
      )}
    </section>
  )
}

function whatOf({ action, version, challenger, shadow }: Change): string {
  const part = (share: Change['challenger']) => (share ? `${share.version} with ${percent(share.share)}` : 'none')
  switch (action) {
    case 'PROMOTE':
      return `Version ${version} becomes champion`
    case 'ROLLBACK':
      return `Back from version ${version} to the champion before`
    case 'RETIRE':
      return `Version ${version} is taken out`
    case 'SPLIT':
      return `Challenger: ${part(challenger)}; shadow: ${part(shadow)}`
  }
}

/** What a second principal decided; nothing where the first one needed none. */
function Decision({ change: { state, proposedBy, decidedBy, decidedAt, decisionReason } }: { change: Change }) {
  if (state === 'PROPOSED') return <>; waits for the approval of another person</>
  if (!decidedAt || (state === 'APPLIED' && decidedBy === proposedBy)) return null
  return (
    <>
      ; {state === 'REFUSED' ? 'refused' : 'approved'} by {nameOf(decidedBy)},{' '}
      <time dateTime={decidedAt}>{instant(decidedAt)}</time>
      {decisionReason && <>: {decisionReason}</>}
    </>
  )
}

function nameOf(principal: string | null): string {
  if (principal === 'folder') return 'the models folder'
  if (principal === 'mlflow') return 'MLflow'
  return principal ?? 'a principal of another tenant'
}
