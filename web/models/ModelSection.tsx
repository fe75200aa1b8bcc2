import { ChangeList } from './ChangeList'
import { RolloutFacts } from './RolloutFacts'
import type { Changes, Model, Version } from './releases'
import { VersionCard } from './VersionCard'

const ORDER = ['CHAMPION', 'CHALLENGER', 'SHADOW', 'CANDIDATE', 'REJECTED', 'RETIRED']

export function ModelSection({ model, changes }: { model: Model; changes: Changes }) {
  const { name, rollout, versions } = model
  const stored = new Map(rollout?.stages.map(({ version, stage }) => [version, stage]))
  return (
    <section aria-labelledby={`model-${name}`}>
      <h2 id={`model-${name}`}>{name}</h2>
      {rollout && <RolloutFacts rollout={rollout} />}
      {inOrder(versions).map(version => (
        <VersionCard key={version.version} version={version} storedStage={stored.get(version.version)} />
      ))}
      <ChangeList model={name} changes={changes} />
    </section>
  )
}

/** Those that serve first, and the newest names first within a stage. */
function inOrder(versions: readonly Version[]): Version[] {
  const byName = (a: Version, b: Version) => b.version.localeCompare(a.version, 'en', { numeric: true })
  return [...versions].sort((a, b) => ORDER.indexOf(a.stage) - ORDER.indexOf(b.stage) || byName(a, b))
}
