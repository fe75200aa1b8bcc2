import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface StatementProxy extends AsyncDisposable {
  readonly url: string
  /** The texts of all statements executed since the last call. */
  take(): string[]
}

/** A proxy between a gateway and PostgreSQL that passes on every byte and records the executed statements. */
export async function startStatementProxy(databaseUrl: string): Promise<StatementProxy> {
  const target = new URL(databaseUrl)
  const executed: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer(client => {
    const upstream = connect(Number(target.port), target.hostname)
    const listen = statementListener(text => executed.push(text))
    client.on('data', listen)
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => [client, upstream].forEach(end => void end.destroy()))
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(databaseUrl)
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: url.href,
    take: () => executed.splice(0),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/** Reads a client's messages (PostgreSQL manual, chapter 54.7): Parse names a text, Bind and Execute use it, Query does both. */
function statementListener(executed: (text: string) => void): (bytes: Buffer) => void {
  const textOf = new Map<string, string>()
  let pending = Buffer.alloc(0)
  let isStarted = false
  return bytes => {
    pending = Buffer.concat([pending, bytes])
    for (;;) {
      // A connection's first message has no type letter before its length.
      const header = isStarted ? 1 : 0
      if (pending.length < header + 4) return
      const length = header + pending.readInt32BE(header)
      if (pending.length < length) return
      const [first = '', second = ''] = pending.toString('utf8', header + 4, length).split('\0')
      const kind = isStarted ? String.fromCharCode(pending[0] as number) : 'startup'
      if (kind === 'P') textOf.set(first, second)
      // Bind begins with the portal's name, then the statement's.
      if (kind === 'B') executed(textOf.get(second) ?? '')
      if (kind === 'Q') executed(first)
      isStarted = true
      pending = pending.subarray(length)
    }
  }
}
