import { AppError, badInput, inputProblem, type Problem } from '../errors.js'
import { newApiKeyText } from './apiKeyText.js'
import { type Actor, isName, type Role } from './principal.js'

const DAY_MS = 86_400_000
const DEFAULT_DAYS = 365
const LONGEST_DAYS = 730
/** The most keys of one tenant that are neither expired nor revoked. */
export const MAX_ACTIVE_KEYS = 1_000
// Descriptions are shown on terminals: no characters that move the cursor or reverse the text.
const DESCRIPTION = /^[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]{1,200}$/u

/** Null means the same as absent. */
export interface ApiKeyRequest {
  readonly principal: string
  readonly description?: string | null | undefined
  readonly roles: readonly Role[]
  readonly expiresAt?: Date | null | undefined
}

export interface NewApiKey {
  readonly id: string
  readonly principal: string
  readonly description: string | null
  readonly roles: readonly Role[]
  /** SHA-256 of its text, hexadecimal. */
  readonly digest: string
  readonly expiresAt: Date
}

export interface ApiKeyShelf<ApiKey> {
  /** Undefined when the tenant has reached the limit. */
  create(actor: Actor, key: NewApiKey, limit: number): Promise<ApiKey | undefined>
}

/**
 * Makes a key for the actor's tenant; `now` counts milliseconds since 1970. This call returns its text; nothing can show it again.
 * @throws AppError BAD_USER_INPUT with every problem at once
 */
export async function issueApiKey<ApiKey>(
  shelf: ApiKeyShelf<ApiKey>,
  actor: Actor,
  request: ApiKeyRequest,
  now = Date.now(),
): Promise<{ readonly apiKey: ApiKey; readonly key: string }> {
  const { principal, description = null, roles, expiresAt } = request
  const [first, ...others] = problemsOf(actor, request, now)
  if (first) throw badInput(first, ...others)
  const { id, text, digest } = newApiKeyText()
  const asked = { id, principal, description, roles: [...new Set(roles)], digest }
  const until = expiresAt ?? new Date(now + DEFAULT_DAYS * DAY_MS)
  const apiKey = await shelf.create(actor, { ...asked, expiresAt: until }, MAX_ACTIVE_KEYS)
  if (!apiKey) throw new AppError('BAD_USER_INPUT', `A tenant has at most ${MAX_ACTIVE_KEYS} API keys. Revoke one first.`)
  return { apiKey, key: text }
}

function problemsOf({ tenant }: Actor, { principal, description, roles, expiresAt }: ApiKeyRequest, now: number): Problem[] {
  const problems: Problem[] = []
  if (!isName(tenant)) problems.push(inputProblem('A tenant takes 1 to 128 ASCII characters without spaces.', 'tenant'))
  if (!isName(principal)) problems.push(inputProblem('A principal takes 1 to 128 ASCII characters without spaces.', 'principal'))
  if (description != null && !DESCRIPTION.test(description)) {
    problems.push(inputProblem('A description takes 1 to 200 printable characters.', 'description'))
  }
  if (roles.length === 0) problems.push(inputProblem('Name at least one role.', 'roles'))
  const days = expiresAt ? (expiresAt.getTime() - now) / DAY_MS : DEFAULT_DAYS
  if (!(days > 0 && days <= LONGEST_DAYS))
    problems.push(inputProblem(`The key must expire in the future, within ${LONGEST_DAYS} days.`, 'expiresAt'))
  return problems
}
