const PREFIX = 'webhook-'

/** The queue of a webhook's deliveries. Each webhook has its own, so that deliveries to a slow endpoint hold up no others. */
export function queueOf(webhookId: string): string {
  return PREFIX + webhookId
}

/** The webhook of a queue; undefined for a queue of something else. */
export function webhookOf(queue: string): string | undefined {
  return queue.startsWith(PREFIX) ? queue.slice(PREFIX.length) : undefined
}
