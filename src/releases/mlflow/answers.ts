import { z } from 'zod'

// The forms of MLflow's answers. Versions are texts; protobuf's int64 come as numbers or texts; empty lists are left out.

const whole = z.union([z.int().min(0), z.string().regex(/^\d{1,15}$/)]).transform(Number)
const versionNumber = z
  .union([z.string(), z.int()])
  .transform(String)
  .pipe(z.string().regex(/^\d{1,18}$/))
const tags = z
  .array(z.object({ key: z.string(), value: z.string().default('') }))
  .default([])
  .transform(list => new Map(list.map(({ key, value }) => [key, value])))

const modelVersion = z
  .object({
    name: z.string().min(1),
    version: versionNumber,
    creation_timestamp: whole.optional(),
    source: z.string().default(''),
    run_id: z.string().nullish(),
    status: z.string().default('READY'),
    status_message: z.string().nullish(),
    tags,
    aliases: z.array(z.string()).default([]),
  })
  .transform(({ creation_timestamp, run_id, status_message, ...same }) => ({
    ...same,
    createdAtMs: creation_timestamp,
    /** The run of the experiment that made it. */
    runId: run_id || undefined,
    statusMessage: status_message || undefined,
  }))

const registeredModel = z.object({
  name: z.string().min(1),
  tags,
  aliases: z
    .array(z.object({ alias: z.string(), version: versionNumber }))
    .default([])
    .transform(list => new Map(list.map(({ alias, version }) => [alias, version]))),
})

const nextPage = { next_page_token: z.string().optional() }

export const versionAnswer = z.object({ model_version: modelVersion })
export const versionsAnswer = z.object({ model_versions: z.array(modelVersion).default([]), ...nextPage })
export const registeredModelAnswer = z.object({ registered_model: registeredModel })
export const registeredModelsAnswer = z.object({ registered_models: z.array(registeredModel).default([]), ...nextPage })
export const downloadUriAnswer = z.object({ artifact_uri: z.string().min(1) })
export const emptyAnswer = z.object({})
export const listingAnswer = z.object({
  files: z.array(z.object({ path: z.string(), is_dir: z.boolean().default(false), file_size: whole.optional() })).default([]),
})

export type RegistryVersion = z.output<typeof modelVersion>
export type RegisteredModel = z.output<typeof registeredModel>
export type ListedFile = z.output<typeof listingAnswer>['files'][number]
