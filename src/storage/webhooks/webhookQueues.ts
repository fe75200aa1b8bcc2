const PREFIX = 'webhook-'

/** The queue of a webhook's deliveries: one each, so that those of a slow endpoint stand before nobody else's. */
export function queueOf(webhookId: string): string {
  return PREFIX + webhookId
}

/** The webhook of a queue; undefined for a queue of something else. */
export function webhookOf(queue: string): string | undefined {
  return queue.startsWith(PREFIX) ? queue.slice(PREFIX.length) : undefined
}
