import type { ApolloServerPlugin, BaseContext } from '@apollo/server'
import { type Tracer, UNTRACED } from '../../tracer.js'

/** Tells the tracer when a document is parsed and validated. */
export function tracedParsing(tracer: Tracer): ApolloServerPlugin<BaseContext>[] {
  if (tracer === UNTRACED) return []
  return [
    {
      async requestDidStart() {
        const during = (name: 'parse' | 'validate') => async () => {
          const end = tracer.begin(name)
          return async () => end?.()
        }
        return { parsingDidStart: during('parse'), validationDidStart: during('validate') }
      },
    },
  ]
}
