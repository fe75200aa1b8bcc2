import { startTcpProxy } from './tcpProxy.js'

export interface StatementProxy extends AsyncDisposable {
  readonly url: string
  /** The texts of all statements executed since the last call. */
  take(): string[]
}

/** A proxy between a gateway and PostgreSQL that records the executed statements. */
export async function startStatementProxy(databaseUrl: string): Promise<StatementProxy> {
  const executed: string[] = []
  const proxy = await startTcpProxy(databaseUrl, {
    connected: client =>
      client.on(
        'data',
        statementListener(text => executed.push(text)),
      ),
  })
  return {
    url: proxy.url,
    take: () => executed.splice(0),
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
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
