import { useEffect, useState } from 'react'
import { ask, type Failure } from './ask'
import changesQuery from './changes.graphql?raw'
import type { ModelsPageChangesQuery, ModelsPageQuery } from './generated/operations'
import modelsQuery from './models.graphql?raw'

export type Model = ModelsPageQuery['models'][number]
export type Version = Model['versions'][number]
export type Report = NonNullable<Version['report']>
export type Rollout = NonNullable<Model['rollout']>
export type Changes = ModelsPageChangesQuery['releaseChanges']
export type Change = Changes['nodes'][number]

/** What the page shows, as it was at one time. */
interface Releases {
  readonly at: Date
  readonly models: readonly { readonly model: Model; readonly changes: Changes }[]
}

/** What is known for a token. After a failure the releases from before it stay. */
export interface Known {
  readonly isLoading: boolean
  readonly viewer?: ModelsPageQuery['viewer']
  readonly releases?: Releases
  readonly failure?: Failure
}

async function load(token: string, signal: AbortSignal): Promise<Omit<Known, 'isLoading'>> {
  const { data, failure } = await ask<ModelsPageQuery>(token, modelsQuery, {}, signal)
  if (!data || failure) return { viewer: data?.viewer, failure }
  const answers = await Promise.all(
    data.models.map(({ name }) => ask<ModelsPageChangesQuery>(token, changesQuery, { model: name }, signal)),
  )
  const models = data.models.flatMap((model, i) => {
    const changes = answers[i]?.data?.releaseChanges
    return changes ? [{ model, changes }] : []
  })
  const failed = answers.find(answer => answer.failure)
  if (failed) return { viewer: data.viewer, failure: failed.failure }
  return { viewer: data.viewer, releases: { at: new Date(), models } }
}

/** Asks the gateway once for each token, and again when `reload` is called. */
export function useReleases(token: string): Known & { reload: () => void } {
  // A new round with the same token is a new object, too.
  const [round, setRound] = useState({ token })
  const [known, setKnown] = useState<Known & { token: string }>({ token, isLoading: token !== '' })
  if (round.token !== token) setRound({ token })

  useEffect(() => {
    if (!round.token) return
    const abort = new AbortController()
    // What an earlier token has shown must not stay beside another one.
    setKnown(before => (before.token === round.token ? { ...before, isLoading: true } : { token: round.token, isLoading: true }))
    void load(round.token, abort.signal).then(found => {
      if (abort.signal.aborted) return
      setKnown(before => ({
        token: round.token,
        isLoading: false,
        viewer: found.viewer ?? before.viewer,
        releases: found.releases ?? (mayStay(found.failure) ? before.releases : undefined),
        failure: found.failure,
      }))
    })
    return () => abort.abort()
  }, [round])

  const current = known.token === token ? known : { isLoading: token !== '' }
  return { ...current, reload: () => setRound({ token }) }
}

function mayStay(failure: Failure | undefined): boolean {
  return failure?.code !== 'UNAUTHENTICATED' && failure?.code !== 'FORBIDDEN'
}
