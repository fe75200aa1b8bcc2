/** The version of the Elastic Common Schema whose names the log uses. */
export const ECS_VERSION = '9.3.0'

const OWN = 'riskgate.'
const NANOSECONDS_IN_A_MILLISECOND = 1e6

/** What the log calls the fields that the schema knows. Every other field gets a name of our own, below `riskgate`. */
const KNOWN: Readonly<Record<string, string>> = {
  requestId: 'http.request.id',
  method: 'http.request.method',
  status: 'http.response.status_code',
  path: 'url.path',
  traceId: 'trace.id',
  principal: 'user.id',
  durationMs: 'event.duration',
  ok: 'event.outcome',
  code: 'error.code',
  error: 'error.type',
  errorId: 'error.id',
  at: 'error.stack_trace',
}

/** Fields whose values the schema writes in another way. */
const CONVERTED: Readonly<Record<string, (value: unknown) => unknown>> = {
  durationMs: value => Math.round(Number(value) * NANOSECONDS_IN_A_MILLISECOND),
  ok: value => (value ? 'success' : 'failure'),
  at: value => (value as readonly string[] | undefined)?.join('\n'),
}

// The source has a fixed number of field names, so this stays small.
const ownNames = new Map<string, string>()

/** Fields of a line as the Elastic Common Schema names them. */
export function ecsFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const named: Record<string, unknown> = {}
  for (const key in fields) {
    const value = fields[key]
    if (value === undefined) continue
    named[KNOWN[key] ?? ownName(key)] = CONVERTED[key] ? CONVERTED[key](value) : value
  }
  return named
}

/** `riskgate.webhook_id` for webhookId. */
function ownName(key: string): string {
  const known = ownNames.get(key)
  if (known !== undefined) return known
  const name = OWN + key.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
  ownNames.set(key, name)
  return name
}
