import { MlflowError } from './mlflowError.js'

const MOST_QUOTED = 200

/** What a server answered in place of what was asked for. */
export interface Refusal {
  readonly status: number
  readonly contentType: string
  readonly location: string | null
  /** The beginning of the body. */
  readonly text: string
}

/** The sentence for an answer that is no success. `secrets` are never repeated, although a server may send them back. */
export function refusalOf(
  { status, location, contentType, text }: Refusal,
  server: URL,
  secrets: readonly string[],
): MlflowError {
  const said = saidBy(text, contentType, secrets)
  if (status >= 300 && status < 400) {
    return new MlflowError(
      'BAD_ANSWER',
      `MLflow redirects to ${placeOf(location, server)}, and riskgate follows no redirect. ` +
        'Set RISKGATE_MLFLOW_URL to the address that answers itself.',
    )
  }
  if (status === 401) {
    return new MlflowError(
      'REFUSED',
      'MLflow does not accept the credentials (401). Set RISKGATE_MLFLOW_TOKEN, or RISKGATE_MLFLOW_USER and RISKGATE_MLFLOW_PASSWORD.',
    )
  }
  if (status === 403 && /invalid host header/i.test(text)) {
    return new MlflowError(
      'REFUSED',
      `MLflow does not accept the name ${server.host} for itself (403). Start it with --allowed-hosts ${server.host}.`,
    )
  }
  if (status === 403) return new MlflowError('REFUSED', `MLflow does not allow these credentials to read this (403)${said}`)
  if (status === 429 || status >= 500) return new MlflowError('UNREACHABLE', `MLflow answers with status ${status}${said}`)
  if (status === 404 && !isJson(contentType)) {
    return new MlflowError(
      'NOT_FOUND',
      `${server.host} has no REST API of MLflow (404). RISKGATE_MLFLOW_URL must be its tracking URI, with the path prefix if it has one.`,
    )
  }
  return new MlflowError(status === 404 ? 'NOT_FOUND' : 'BAD_ANSWER', `MLflow answers with status ${status}${said}`)
}

/** The words of MLflow's own errors, which are JSON; a page of another server says nothing of use. */
function saidBy(text: string, contentType: string, secrets: readonly string[]): string {
  const message = isJson(contentType) ? messageIn(text) : undefined
  if (message === undefined) return '.'
  const plain = secrets.reduce((words, secret) => words.replaceAll(secret, '(secret)'), message)
  const words = plain
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim()
    .slice(0, MOST_QUOTED)
  return `: ${words.replace(/\.$/, '')}.`
}

function messageIn(text: string): string | undefined {
  try {
    const { message } = JSON.parse(text)
    return typeof message === 'string' && message !== '' ? message : undefined
  } catch {
    return undefined
  }
}

export function isJson(contentType: string): boolean {
  return /^application\/(?:[\w.-]+\+)?json\b/i.test(contentType)
}

/** Only the host: the rest of an address may hold a token. */
function placeOf(location: string | null, server: URL): string {
  return location !== null && URL.canParse(location, server.href) ? new URL(location, server).host : 'another address'
}
