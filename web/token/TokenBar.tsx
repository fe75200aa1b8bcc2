import './tokenBar.css'
import { type ReactNode, type SubmitEvent, useState } from 'react'
import type { Caller } from './caller'
import { cleanToken, isSendable } from './token'

interface TokenBarProps {
  /** The name of the page. */
  page: string
  /** What the page does with a token: 'to load the schema'. */
  purpose: string
  token: string
  caller: Caller
  /** Called with a new token, with the current one to check it again, or with an empty text to forget it. */
  onToken: (token: string) => void
}

export function TokenBar({ page, purpose, token, caller, onToken }: TokenBarProps) {
  const [draft, setDraft] = useState(token)
  const [applied, setApplied] = useState(token)
  const [shown, setShown] = useState(false)
  const cleaned = cleanToken(draft)
  const inForce = token !== '' && cleaned === token
  const problem = cleaned && !isSendable(cleaned) ? 'A token has no spaces and no special characters.' : ''

  // The token can also come from the URL, and be removed by "Forget": the field then shows the current token.
  if (applied !== token) {
    setApplied(token)
    setDraft(token)
  }

  function submit(event: SubmitEvent) {
    event.preventDefault()
    if (!problem) onToken(cleaned)
  }

  return (
    <header className="bar">
      <h1>
        riskgate <span>{page}</span>
      </h1>
      <form className="bar-form" onSubmit={submit} autoComplete="off">
        <label htmlFor="token">Access token</label>
        <div className="bar-field">
          <input
            // The input has no name: a form sent without our script would otherwise put the token into the URL.
            id="token"
            type={shown ? 'text' : 'password'}
            value={draft}
            onChange={event => setDraft(event.target.value)}
            placeholder="eyJ…"
            autoComplete="off"
            autoCapitalize="off"
            spellCheck={false}
            aria-describedby="who"
            aria-invalid={problem !== '' || caller.state === 'refused'}
          />
          <button type="button" className="bar-show" aria-pressed={shown} onClick={() => setShown(!shown)}>
            {shown ? 'Hide' : 'Show'}
          </button>
        </div>
        <button
          type="submit"
          className={inForce ? 'bar-use bar-use-again' : 'bar-use'}
          disabled={cleaned === '' || problem !== ''}
        >
          {inForce ? 'Check again' : 'Use token'}
        </button>
        {token && (
          <button type="button" className="bar-forget" onClick={() => onToken('')}>
            Forget
          </button>
        )}
      </form>
      <p id="who" className={`who who-${problem ? 'refused' : caller.state}`} role="status">
        {problem || <Who caller={caller} purpose={purpose} />}
      </p>
    </header>
  )
}

function Who({ caller, purpose }: { caller: Caller; purpose: string }): ReactNode {
  switch (caller.state) {
    case 'none':
      return (
        <>
          Enter an access token or an API key {purpose}. In development, the gateway writes one token per role to{' '}
          <code>.riskgate/dev.json</code>. Elsewhere, ask the operator of the gateway.
        </>
      )
    case 'asking':
      return <>Asking the gateway who this is…</>
    case 'refused':
      return <>{caller.sentence}</>
    case 'known':
      return (
        <>
          You are <b>{caller.viewer.id}</b> of tenant <b>{caller.viewer.tenant}</b>, with{' '}
          {caller.viewer.roles.length === 1 ? 'role' : 'roles'} <b>{caller.viewer.roles.join(', ') || 'none'}</b>.
        </>
      )
  }
}
