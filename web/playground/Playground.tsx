import { GraphiQL } from 'graphiql'
import { useEffect, useState } from 'react'
import { TokenBar } from '../token/TokenBar'
import { storedToken, storeToken, takeTokenFromAddress } from '../token/token'
import { useCaller } from './caller'
import { connect } from './connection'
import { examples } from './examples'

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
      <TokenBar
        page="playground"
        purpose="to load the schema and run operations"
        token={connection.token}
        caller={caller}
        onToken={token => setConnection(connect(token))}
      />
      <main className="playground-editor">
        <GraphiQL
          fetcher={connection.fetcher}
          // `null` stops GraphiQL from introspecting: with a missing or refused token it would ask twice and fail twice.
          schema={caller.state === 'known' ? undefined : null}
          defaultTabs={examples}
          // Operations hold applicants' features, so they are deleted with the tab, like the token.
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
