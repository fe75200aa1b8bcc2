import { fastifyApolloHandler } from '@as-integrations/fastify'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { GraphQLSchema } from 'graphql'
import { type Tracer, UNTRACED } from '../../tracer.js'
import type { Auth } from '../access.js'
import type { AddressLimit } from '../limits/addressLimit.js'
import type { GatewayContext } from '../operations/operationReport.js'
import { authenticateSlowBody, operationRoute } from '../operations/operationRoute.js'
import { traced } from '../operations/tracedHandler.js'
import { createApollo } from './apollo.js'
import { PreparedOperations } from './preparedOperations.js'
import { type RunPreparedOptions, runPrepared } from './runPrepared.js'

export interface GraphqlRouteOptions extends Omit<RunPreparedOptions, 'prepared'> {
  readonly path: string
  readonly schema: GraphQLSchema
  readonly auth: Auth
  readonly addresses: AddressLimit
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined
}

/** Serves queries and mutations over HTTP. Returns a function that stops it, for when the server takes no more requests. */
export async function serveGraphql(server: FastifyInstance, options: GraphqlRouteOptions): Promise<() => Promise<void>> {
  const { path, schema, gate, auth, report, observe, lookedUp, tracer = UNTRACED } = options
  const prepared = new PreparedOperations(schema)
  const apollo = createApollo({ schema, gate, prepared, report, observe, lookedUp, tracer })
  await apollo.start()
  server.decorateRequest('operationContext', undefined)
  server.route({
    method: ['GET', 'POST'],
    url: path,
    ...operationRoute(options),
    preHandler: authenticateSlowBody(auth),
    handler: traced(
      tracer,
      runPrepared(
        { ...options, prepared },
        fastifyApolloHandler(apollo, {
          context: async ({ operationContext }: FastifyRequest) => operationContext as GatewayContext,
        }),
      ),
    ),
  })
  return () => apollo.stop()
}
