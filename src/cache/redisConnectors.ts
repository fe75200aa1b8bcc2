import { createConnection, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { AbstractConnector, type RedisOptions, SentinelConnector } from 'ioredis'

// ioredis listens for the first error of a socket only. A socket whose TLS handshake is called off has two, and the second would end the
// process.
const ignore = () => {}

interface Node {
  readonly host: string
  readonly port: number
}

/** Connects to one of these nodes after the other: the next one at each attempt. Without nodes, to the one of the client's options. */
export function connectorTo(nodes: readonly Node[] = []) {
  let attempts = 0
  return class extends AbstractConnector {
    readonly #options: RedisOptions

    constructor(options: unknown) {
      super((options as { disconnectTimeout: number }).disconnectTimeout)
      this.#options = options as RedisOptions
    }

    async connect(): Promise<Socket> {
      this.connecting = true
      const { host = '127.0.0.1', port = 0, tls } = { ...this.#options, ...nodes[attempts++ % nodes.length] }
      const socket = tls ? connectTls({ host, port, ...tls }) : createConnection({ host, port })
      this.stream = socket
      socket.once('error', error => {
        this.firstError = error
      })
      return socket.on('error', ignore)
    }
  }
}

/** Connects to the master that the Sentinels name. */
export class MasterConnector extends SentinelConnector {
  constructor(options: unknown) {
    super(options as ConstructorParameters<typeof SentinelConnector>[0])
  }

  override async connect(tell: Parameters<SentinelConnector['connect']>[0]): Promise<Socket> {
    return (await super.connect(tell)).on('error', ignore)
  }
}
