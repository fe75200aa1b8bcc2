import { startTcpProxy } from './tcpProxy.js'

/** A statement that was executed. */
export interface Executed {
  readonly text: string
  /** Its parameters, in PostgreSQL's text form. */
  readonly values: readonly (string | null)[]
}

export interface StatementProxy extends AsyncDisposable {
  readonly url: string
  /** The texts of all statements executed since the last call. */
  take(): string[]
  /** The same with their parameters. */
  takeAll(): Executed[]
}

/** A proxy between a gateway and PostgreSQL that records the executed statements. */
export async function startStatementProxy(databaseUrl: string): Promise<StatementProxy> {
  const executed: Executed[] = []
  const proxy = await startTcpProxy(databaseUrl, {
    connected: client =>
      client.on(
        'data',
        statementListener((text, values) => executed.push({ text, values })),
      ),
  })
  return {
    url: proxy.url,
    take: () => executed.splice(0).map(({ text }) => text),
    takeAll: () => executed.splice(0),
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  }
}

/** Reads a client's messages (PostgreSQL manual, chapter 54.7): Parse names a text, Bind and Execute use it, Query does both. */
function statementListener(executed: (text: string, values: Executed['values']) => void): (bytes: Buffer) => void {
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
      if (kind === 'B') executed(textOf.get(second) ?? '', valuesOf(pending.subarray(header + 4, length)))
      if (kind === 'Q') executed(first, [])
      isStarted = true
      pending = pending.subarray(length)
    }
  }
}

/** The parameters of a Bind: names of portal and statement, formats, and each value behind its length, which is -1 for null. */
function valuesOf(bind: Buffer): (string | null)[] {
  let at = bind.indexOf(0, bind.indexOf(0) + 1) + 1
  at += 2 + 2 * bind.readInt16BE(at)
  const values: (string | null)[] = []
  for (let left = bind.readInt16BE(at); left > 0; left--) {
    const start = at + 2 + 4
    const length = bind.readInt32BE(at + 2)
    values.push(length < 0 ? null : bind.toString('utf8', start, start + length))
    at += 4 + Math.max(0, length)
  }
  return values
}
