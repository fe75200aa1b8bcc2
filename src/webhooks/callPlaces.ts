// An endpoint that works must not get more calls at once than a small server bears.
const CALLS_A_WEBHOOK = 16
// Places that webhooks share for all calls. A call takes a socket and some kilobytes, for ten seconds at most.
const SHARED_PLACES = 256
// The places beyond are kept for webhooks without a call: thirty tenants whose webhooks all hang do not fill them.
const PLACES = 1_024

/** A webhook and its tenant, who share the places for calls with others. */
export interface OwnedWebhook {
  readonly tenant: string
  readonly webhookId: string
}

/**
 * Shares the places for calls. A tenant that holds as many as are free gets no more, so that there is always a part for others. A
 * webhook without a call gets a place of its own: it never waits for calls to other endpoints, which may hang.
 */
export class CallPlaces {
  readonly #ofTenants = new Map<string, number>()
  readonly #ofWebhooks = new Map<string, number>()
  #taken = 0

  /** How many more calls the webhook may make now. */
  room({ tenant, webhookId }: OwnedWebhook): number {
    const held = this.heldBy(webhookId)
    const ofItsOwn = held === 0 && this.#taken < PLACES ? 1 : 0
    // As many as bring the tenant to what is then free.
    const shared = Math.ceil((SHARED_PLACES - this.#taken - (this.#ofTenants.get(tenant) ?? 0)) / 2)
    return Math.max(ofItsOwn, Math.min(shared, CALLS_A_WEBHOOK - held))
  }

  heldBy(webhookId: string): number {
    return this.#ofWebhooks.get(webhookId) ?? 0
  }

  take(webhook: OwnedWebhook): void {
    this.#change(webhook, 1)
  }

  release(webhook: OwnedWebhook): void {
    this.#change(webhook, -1)
  }

  #change({ tenant, webhookId }: OwnedWebhook, by: 1 | -1): void {
    this.#taken += by
    change(this.#ofTenants, tenant, by)
    change(this.#ofWebhooks, webhookId, by)
  }
}

function change(holders: Map<string, number>, id: string, by: number): void {
  const held = (holders.get(id) ?? 0) + by
  // Only holders are remembered.
  if (held === 0) holders.delete(id)
  else holders.set(id, held)
}
