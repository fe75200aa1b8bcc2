import { z } from 'zod'

const name = z.string().min(1)
const version = z
  .union([z.string(), z.int()])
  .transform(String)
  .pipe(z.string().regex(/^\d{1,18}$/))

// The rest of MLflow's events (prompts, traces, budgets) is nothing that a release depends on.
const event = z.discriminatedUnion('entity', [
  z.object({
    entity: z.literal('model_version_alias'),
    action: z.enum(['created', 'deleted']),
    data: z.object({ name, alias: name, version: version.optional() }),
  }),
  z.object({ entity: z.literal('model_version'), action: z.literal('created'), data: z.object({ name, version }) }),
  z.object({
    entity: z.literal('model_version_tag'),
    action: z.enum(['set', 'deleted']),
    data: z.object({ name, version, key: name, value: z.string().optional() }),
  }),
  z.object({ entity: z.literal('registered_model'), action: z.literal('created'), data: z.object({ name }) }),
])
const timestamp = z.object({ timestamp: z.iso.datetime({ offset: true }).transform(text => Date.parse(text)) })

const registryEvent = z.intersection(event, timestamp)

/** What happened in the registry. It is a hint: what an alias names is asked from MLflow. */
export type RegistryEvent = z.output<typeof registryEvent>

/** The event in the body of a delivery, or undefined where it is another one, or none. */
export function readEvent(body: string): RegistryEvent | undefined {
  try {
    return registryEvent.safeParse(JSON.parse(body)).data
  } catch {
    return undefined
  }
}

/** What an event is about: two events of one subject have an order. */
export function subjectOf({ entity, data }: RegistryEvent): string {
  const about = 'alias' in data ? data.alias : 'key' in data ? `${data.version} ${data.key}` : ''
  return JSON.stringify([entity, data.name, about])
}
