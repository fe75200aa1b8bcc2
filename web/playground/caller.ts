import { fetcherReturnToPromise } from '@graphiql/toolkit'
import { useEffect, useState } from 'react'
import type { Caller, Viewer } from '../token/caller'
import type { Connection } from './connection'

interface ViewerResult {
  data?: { viewer?: Viewer | null } | null
  errors?: readonly { message: string }[]
}

async function whoAmI({ fetcher }: Connection): Promise<Caller> {
  try {
    const query = 'query WhoAmI { viewer { id tenant roles } }'
    const result = (await fetcherReturnToPromise(fetcher({ query, operationName: 'WhoAmI' }))) as ViewerResult
    const viewer = result.data?.viewer
    if (viewer) return { state: 'known', viewer }
    return { state: 'refused', sentence: result.errors?.[0]?.message ?? 'The gateway did not say who this token belongs to.' }
  } catch {
    return { state: 'refused', sentence: 'The gateway gave an answer that is not a GraphQL result.' }
  }
}

/** Asks the gateway once per connection. */
export function useCaller(connection: Connection): Caller {
  const [answer, setAnswer] = useState<{ connection: Connection; caller: Caller }>()

  useEffect(() => {
    if (!connection.token) return
    let current = true
    void whoAmI(connection).then(caller => {
      if (current) setAnswer({ connection, caller })
    })
    return () => {
      current = false
    }
  }, [connection])

  if (!connection.token) return { state: 'none' }
  // An answer counts only for its own connection: an earlier answer must not open the schema for an unchecked token.
  return answer?.connection === connection ? answer.caller : { state: 'asking' }
}
