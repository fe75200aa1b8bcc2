import { GraphiQL } from 'graphiql'
import { useEffect, useState } from 'react'
import { useCaller } from './caller'
import { connect } from './connection'
import { examples } from './examples'
import { TokenBar } from './TokenBar'
import { storedToken, storeToken, takeTokenFromAddress } from './token'

export function Playground() {
  const [connection, setConnection] = useState(() => connect(takeTokenFromAddress() ?? storedToken()))
  const caller = useCaller(connection)

  useEffect(() => {
    storeToken(connection.token)
    return connection.close
  }, [connection])

  useEffect(() => {
    const takeOver = () => {
      const token = takeTokenFromAddress()
      if (token !== undefined) setConnection(connect(token))
    }
    addEventListener('hashchange', takeOver)
    return () => removeEventListener('hashchange', takeOver)
  }, [])

  return (
    <div className="playground">
      <TokenBar token={connection.token} caller={caller} onToken={token => setConnection(connect(token))} />
      <main className="playground-editor">
        <GraphiQL
          fetcher={connection.fetcher}
          // `null` keeps GraphiQL from introspecting: with a token that is missing or refused it would ask twice and fail twice.
          schema={caller.state === 'known' ? undefined : null}
          defaultTabs={examples}
          // Operations hold applicants' features: they end with the tab, as the token does.
          storage={sessionStorage}
          isHeadersEditorEnabled={false}
          showPersistHeadersSettings={false}
          defaultEditorToolsVisibility={false}
        >
          <GraphiQL.Logo>{null}</GraphiQL.Logo>
        </GraphiQL>
      </main>
    </div>
  )
}
