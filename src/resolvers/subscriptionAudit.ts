import { type GraphQLResolveInfo, Kind, visit } from 'graphql'

/** The events of a subscription, taken one by one. */
export type Events<Event> = AsyncIterableIterator<Event, void>

/**
 * Returns the same events, but none before `note` has succeeded once. It is called at once. If that fails, it is called again
 * before the first event, and a second failure is thrown: a database that is away must not refuse a subscription that waits for
 * it.
 */
export function notedBefore<Event>(events: Events<Event>, note: () => Promise<void>): Events<Event> {
  let isNoted = false
  const noted = note().then(
    () => {
      isNoted = true
    },
    () => {},
  )
  async function afterNote(): Promise<IteratorResult<Event, void>> {
    const event = await events.next()
    await noted
    if (!event.done && !isNoted) await note()
    isNoted = true
    return event
  }
  const audited: Events<Event> = {
    next: () => (isNoted ? events.next() : afterNote()),
    return: async () => (await events.return?.()) ?? { done: true, value: undefined },
    [Symbol.asyncIterator]: () => audited,
  }
  return audited
}

/** Whether an operation, or a fragment of its document, selects a field of this name. */
export function asksFor({ operation, fragments }: GraphQLResolveInfo, name: string): boolean {
  let isFound = false
  for (const definition of [operation, ...Object.values(fragments)]) {
    visit(definition, {
      [Kind.FIELD]: field => {
        isFound ||= field.name.value === name
      },
    })
  }
  return isFound
}
