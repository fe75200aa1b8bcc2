import { isJsonObject } from '../operations/jsonObject.js'

/** The own id of no subscription. */
const UNUSED = '0'

/**
 * Gives each subscription of a socket an id of its own towards graphql-ws, which keeps subscriptions by the client's id. There, a
 * subscription that was completed before it began would live on under the next one with its id, and the end of one would end the other.
 */
export class SubscriptionIds {
  #last = 0
  /** By the client's id: the subscription that has it now. */
  readonly #ownIds = new Map<string, string>()
  readonly #clientIds = new Map<string, string>()

  /** The message for graphql-ws; undefined where it subscribes with an id that is in use. */
  incoming(text: string): string | undefined {
    const message = parsed(text)
    if (!isJsonObject(message) || typeof message.id !== 'string' || message.id === '') return text
    const { id, type } = message
    if (type === 'subscribe') return this.#ownIds.has(id) ? undefined : withId(text, this.#newId(id))
    if (type !== 'complete') return text
    // The subscription may have ended while this was on its way. As it came, its id could be the own id of another one.
    const ownId = this.#ownIds.get(id) ?? UNUSED
    this.#end(ownId)
    return withId(text, ownId)
  }

  /** The message of graphql-ws as the client gets it. */
  outgoing(text: string): string {
    const { id: ownId, ...message } = JSON.parse(text) as { id?: string; type: string }
    if (ownId === undefined) return text
    const id = this.clientId(ownId)
    // After an error, as after a completion, the client may use the id again.
    if (message.type !== 'next') this.#end(ownId)
    return JSON.stringify({ id, ...message })
  }

  clientId(ownId: string): string {
    return this.#clientIds.get(ownId) ?? ownId
  }

  #newId(id: string): string {
    const ownId = String(++this.#last)
    this.#ownIds.set(id, ownId)
    this.#clientIds.set(ownId, id)
    return ownId
  }

  #end(ownId: string): void {
    const id = this.clientId(ownId)
    if (this.#ownIds.get(id) === ownId) this.#ownIds.delete(id)
    this.#clientIds.delete(ownId)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The last of equal keys counts in JSON. The text is not written anew, because its payload may be nested too deep for that. */
function withId(text: string, id: string): string {
  return `${text.slice(0, text.lastIndexOf('}'))},"id":"${id}"}`
}
