import { z } from 'zod'
import { canonicalText } from './canonicalText.js'

/** The name of a model, and of its folder. */
export const MODEL_NAME = /^[a-z][a-z0-9-]{0,62}$/

const text = z.string().min(1).max(1_000)
/** A text in English and perhaps in Spanish; a plain text is English. Without Spanish, the English text is shown. */
const bilingual = z.preprocess(
  value => (typeof value === 'string' ? { en: value } : value),
  z.strictObject({ en: text, es: text.optional() }).transform(({ en, es = en }) => ({ en, es })),
)
/** What has no description is described by its name. */
const withDescription = <T extends { name: string; description?: { en: string; es: string } | undefined }>(described: T) => ({
  ...described,
  description: described.description ?? { en: described.name, es: described.name },
})
// A GraphQL name (October 2021, section 2.1.9), without the reserved leading underscores.
const graphqlName = z
  .string()
  .regex(/^[a-z][A-Za-z0-9]{0,62}$/, 'must be a camelCase GraphQL name')
  // An absent field `constructor` would be found all the same, on the object's prototype.
  .refine(name => !(name in Object.prototype), 'must not be a name that every object has')
const described = { name: graphqlName, required: z.boolean(), description: bilingual.optional() }
const numeric = { ...described, minimum: z.number().optional(), maximum: z.number().optional(), unit: text.optional() }

const isRange = ({ minimum, maximum }: { minimum?: number | undefined; maximum?: number | undefined }) =>
  minimum === undefined || maximum === undefined || minimum <= maximum
const isDistinct = (values: readonly string[]) => new Set(values.map(canonicalText)).size === values.length

const feature = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('NUMBER'), ...numeric }).refine(isRange, 'has a minimum above its maximum'),
  z.strictObject({ kind: z.literal('INTEGER'), ...numeric }).refine(isRange, 'has a minimum above its maximum'),
  z.strictObject({ kind: z.literal('BOOLEAN'), ...described }),
  z
    .strictObject({
      kind: z.literal('CATEGORY'),
      ...described,
      categories: z.array(text).min(1).refine(isDistinct, 'must not hold a category twice'),
    })
    // Callers meet the canonical form. A graph that takes texts knows only those of its training.
    .transform(({ categories, ...rest }) => ({ ...rest, categories: categories.map(canonicalText), spellings: categories })),
])

/** The shape of models/<name>/contract.json: the features that a model takes, and the values that each may have. */
export const contractSchema = z
  .strictObject({
    name: z.string().regex(MODEL_NAME, 'must be a kebab-case name'),
    // ModelFeaturesInput is the type of all models together.
    inputField: graphqlName.refine(name => name !== 'model', 'is taken'),
    description: bilingual.optional(),
    features: z
      .array(feature.transform(withDescription))
      .min(1)
      .refine(features => isDistinct(features.map(({ name }) => name)), 'must not have two features of the same name'),
  })
  .transform(withDescription)

export type ModelContract = z.infer<typeof contractSchema>
export type FeatureContract = ModelContract['features'][number]
export type FeatureKind = FeatureContract['kind']
