import { percent } from './format'
import type { Rollout } from './releases'

export function RolloutFacts({ rollout: { champion, challenger, shadow, earlier, revision } }: { rollout: Rollout }) {
  return (
    <>
      {champion === null && (
        <p className="problem">
          No version answers. Make one champion with <code>riskgate model promote</code> or promoteModelVersion.
        </p>
      )}
      <dl className="facts">
        <div>
          <dt>Champion</dt>
          <dd>{champion ?? 'none'}</dd>
        </div>
        <div>
          <dt>Challenger</dt>
          <dd>{challenger ? `${challenger.version}, answers ${percent(challenger.share)} of the applicants` : 'none'}</dd>
        </div>
        <div>
          <dt>Shadow</dt>
          <dd>{shadow ? `${shadow.version}, scores ${percent(shadow.share)} of the applications once more` : 'none'}</dd>
        </div>
        <div>
          <dt>Rollback goes to</dt>
          <dd>{earlier.join(', then ') || 'none: there is no earlier champion'}</dd>
        </div>
        <div>
          <dt>Revision</dt>
          <dd>{revision}</dd>
        </div>
      </dl>
    </>
  )
}
