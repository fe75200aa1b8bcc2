import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface TcpProxy extends AsyncDisposable {
  /** The address of the target, by way of this proxy. */
  readonly url: string
  /** Resets all connections. */
  cut(): void
}

export interface TcpProxyOptions {
  /** A free one unless given. */
  readonly port?: number
  /** Called for each new connection of a client, before its first bytes. */
  readonly connected?: (client: Socket) => void
}

/** Passes on every byte between its clients and the server at `target`. */
export async function startTcpProxy(target: string, { port = 0, connected }: TcpProxyOptions = {}): Promise<TcpProxy> {
  const { hostname, port: targetPort } = new URL(target)
  const clients = new Set<Socket>()
  const server = createServer(client => {
    const upstream = connect(Number(targetPort), hostname)
    clients.add(client)
    connected?.(client)
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) {
      socket.on('error', () => {})
      socket.on('close', () => [client, upstream].forEach(end => void end.destroy()))
    }
    client.on('close', () => clients.delete(client))
  })
  await once(server.listen(port, '127.0.0.1'), 'listening')
  const url = new URL(target)
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: url.href,
    cut() {
      for (const client of clients) client.resetAndDestroy()
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
