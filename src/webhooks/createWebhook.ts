import type { Actor } from '../auth/principal.js'
import { AppError, badInput, inputProblem, type Problem } from '../errors.js'
import type { RiskBand } from '../scoring/bands.js'
import { newWebhookSecret } from './webhookSignature.js'
import { type TargetRules, targetProblem } from './webhookTarget.js'

export const MAX_WEBHOOKS = 20
const LONGEST_DESCRIPTION = 200
const LONGEST_MODEL = 128

/** What a caller asks for: null means the same as absent. */
export interface WebhookSettings {
  readonly url: string
  readonly description?: string | null | undefined
  /** Which alerts go to it: all conditions hold together. */
  readonly filter?: { readonly bands?: readonly RiskBand[] | null; readonly model?: string | null } | null | undefined
}

export interface NewWebhook {
  readonly url: string
  readonly description: string | null
  readonly secret: string
  /** Null: all. */
  readonly bands: readonly RiskBand[] | null
  /** Null: all. */
  readonly model: string | null
}

/** Keeps webhooks; implemented by the store. */
export interface WebhookShelf<Webhook> {
  /** Undefined when the tenant has as many as it may have. */
  create(actor: Actor, webhook: NewWebhook, limit: number): Promise<Webhook | undefined>
}

/**
 * Makes a webhook of the actor's tenant. Its secret is shown here and never again.
 * @throws AppError BAD_USER_INPUT with every problem at once
 */
export async function createWebhook<Webhook>(
  shelf: WebhookShelf<Webhook>,
  actor: Actor,
  settings: WebhookSettings,
  rules: TargetRules,
): Promise<{ readonly webhook: Webhook; readonly secret: string }> {
  const { url, description = null, filter } = settings
  const { bands = null, model = null } = filter ?? {}
  const [first, ...others] = problemsOf(settings, rules)
  if (first) throw badInput(first, ...others)
  const secret = newWebhookSecret()
  // As it is called: the parser has read international names, capitals and the like.
  const asked = { url: new URL(url).href, description, secret, bands: bands && [...new Set(bands)], model }
  const webhook = await shelf.create(actor, asked, MAX_WEBHOOKS)
  if (!webhook) throw new AppError('BAD_USER_INPUT', `A tenant has at most ${MAX_WEBHOOKS} webhooks. Delete one first.`)
  return { webhook, secret }
}

function problemsOf({ url, description, filter }: WebhookSettings, rules: TargetRules): Problem[] {
  const { bands, model } = filter ?? {}
  const problems: Problem[] = []
  const wrongTarget = targetProblem(url, rules)
  if (wrongTarget !== undefined) problems.push(inputProblem(wrongTarget, 'url'))
  if (description && description.length > LONGEST_DESCRIPTION) {
    problems.push(inputProblem(`The description must have at most ${LONGEST_DESCRIPTION} characters.`, 'description'))
  }
  if (bands?.length === 0) problems.push(inputProblem('Name at least one band, or leave bands out.', 'filter', 'bands'))
  if (model != null && (model === '' || model.length > LONGEST_MODEL)) {
    problems.push(inputProblem(`The name of a model has 1 to ${LONGEST_MODEL} characters.`, 'filter', 'model'))
  }
  return problems
}
