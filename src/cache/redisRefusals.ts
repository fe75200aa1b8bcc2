/** The codes of refusals, as logs and metrics name them. Others are OTHER. */
export const REFUSAL_CODES = [
  'ASK',
  'BUSY',
  'CLUSTERDOWN',
  'CROSSSLOT',
  'LOADING',
  'MASTERDOWN',
  'MISCONF',
  'MOVED',
  'NOAUTH',
  'NOPERM',
  'NOREPLICAS',
  'OOM',
  'READONLY',
  'TRYAGAIN',
  'UNKNOWN_COMMAND',
  'WRONGPASS',
  'WRONGTYPE',
  'TIMEOUT',
  'OTHER',
] as const

type Refused = Error & { readonly code?: unknown; readonly command?: { readonly name?: unknown } }

/** The word for an error: the one that Redis begins a refusal with; never the rest, which may name a user. */
export function codeOf(error: unknown): string {
  const { name, message, code } = error as Refused
  if (typeof code === 'string') return code
  if (message === 'Command timed out') return 'TIMEOUT'
  if (name === 'MaxRetriesPerRequestError' || message === 'Connection is closed.') return 'CLOSED'
  if (/^(Protocol error|Unknown RESP type)/.test(message)) return 'NOT_REDIS'
  if (/^ERR unknown command/i.test(message)) return 'UNKNOWN_COMMAND'
  return /^[A-Z]+(?= )/.exec(message)?.[0] ?? name
}

/** The same, from the closed list. */
export function listedCodeOf(error: unknown): (typeof REFUSAL_CODES)[number] {
  const code = codeOf(error)
  return REFUSAL_CODES.find(listed => listed === code) ?? 'OTHER'
}

/** The command that was refused, without its arguments. */
export function commandOf(error: unknown): string | undefined {
  const { command } = error as Refused
  return typeof command?.name === 'string' ? command.name : undefined
}

/** Whether Redis itself answered so; not a broken connection or a time limit. */
export function isAnswer(error: unknown): boolean {
  return (error as Error | undefined)?.name === 'ReplyError'
}
