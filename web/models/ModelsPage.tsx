import { useEffect, useState } from 'react'
import type { Caller } from '../token/caller'
import { TokenBar } from '../token/TokenBar'
import { storedToken, storeToken, takeTokenFromAddress } from '../token/token'
import { instant } from './format'
import { ModelSection } from './ModelSection'
import { type Known, useReleases } from './releases'

export function ModelsPage() {
  const [token, setToken] = useState(() => takeTokenFromAddress() ?? storedToken())
  const { reload, ...known } = useReleases(token)

  useEffect(() => storeToken(token), [token])

  useEffect(() => {
    const takeOver = () => setToken(current => takeTokenFromAddress() ?? current)
    addEventListener('hashchange', takeOver)
    return () => removeEventListener('hashchange', takeOver)
  }, [])

  return (
    <>
      <TokenBar
        page="models"
        purpose="of a MODEL_MANAGER, ANALYST or ADMIN to see the models and their releases"
        token={token}
        caller={callerOf(token, known)}
        onToken={next => (next && next === token ? reload() : setToken(next))}
      />
      <main aria-busy={known.isLoading}>
        {token && <State known={known} reload={reload} />}
        {known.releases?.models.map(({ model, changes }) => (
          <ModelSection key={model.name} model={model} changes={changes} />
        ))}
      </main>
      <footer>
        <nav aria-label="Other pages">
          <a href="/playground">Playground</a> <a href="/api/docs">REST API</a>
        </nav>
      </footer>
    </>
  )
}

/** Who the token belongs to. A failure that says nothing about the token stands here only where the caller is not known yet. */
function callerOf(token: string, { viewer, failure }: Known): Caller {
  if (!token) return { state: 'none' }
  if (failure?.code === 'UNAUTHENTICATED') return { state: 'refused', sentence: `${failure.sentence} Enter another token.` }
  if (viewer) return { state: 'known', viewer }
  return failure ? { state: 'refused', sentence: failure.sentence } : { state: 'asking' }
}

function State({ known: { isLoading, releases, failure }, reload }: { known: Known; reload: () => void }) {
  if (failure?.code === 'UNAUTHENTICATED') return null
  if (failure?.code === 'FORBIDDEN') {
    return (
      <p className="state state-bad" role="alert">
        This page is for the roles MODEL_MANAGER, ANALYST and ADMIN. Enter a token with one of them, or ask the operator of the
        gateway for one.
      </p>
    )
  }
  return (
    <div className="state">
      <p role="status" className={failure && !isLoading ? 'state-bad' : ''}>
        {sentenceOf({ isLoading, releases, failure })}
      </p>
      {(releases || failure) && (
        <button type="button" onClick={reload} disabled={isLoading}>
          {failure ? 'Try again' : 'Refresh'}
        </button>
      )}
    </div>
  )
}

function sentenceOf({ isLoading, releases, failure }: Known): string {
  if (isLoading) return 'Loading the models…'
  if (failure) {
    const shown = releases ? `What follows is as of ${instant(releases.at)}.` : 'Try again in a moment.'
    return `The models could not be loaded. ${failure.sentence} ${shown}`
  }
  if (releases?.models.length === 0) {
    return 'This gateway has no model. Put one into its models folder, or let it follow one in MLflow.'
  }
  return releases ? `As of ${instant(releases.at)}, your local time.` : ''
}
