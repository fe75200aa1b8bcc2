import type { InstalledVersion, ModelStage } from '../../scoring/release.js'
import type { ModelEntry } from './modelRegistry.js'

type Serving = Pick<ModelEntry, 'champion' | 'challenger' | 'shadows'>

/** The versions with the stages of those that serve. Another one keeps its stage, or becomes a candidate where it served before. */
export function stagesOf(versions: readonly InstalledVersion[], serving: Serving): InstalledVersion[] {
  return versions.map(version => {
    const stage = stageOf(version, serving)
    return stage === version.stage ? version : { ...version, stage }
  })
}

function stageOf({ version, stage }: InstalledVersion, { champion, challenger, shadows = [] }: Serving): ModelStage {
  if (champion?.manifest.version === version) return 'CHAMPION'
  if (challenger?.release.manifest.version === version) return 'CHALLENGER'
  if (shadows.some(({ release, beside }) => beside === undefined && release.manifest.version === version)) return 'SHADOW'
  return stage === 'REJECTED' || stage === 'RETIRED' ? stage : 'CANDIDATE'
}
