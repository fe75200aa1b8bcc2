import { z } from 'zod'
import { FeatureKindEnum } from '../../schema/scalars.js'
import { RISK_BANDS } from '../../scoring/bands.js'
import { type Data, found, type RestRoute } from './restRoute.js'

const MODEL_FIELDS = `fragment M on Model {
  name
  contract { name kind required minimum maximum categories unit en: description(locale: EN) es: description(locale: ES) }
  champion { ...V }
  versions { ...V }
}
fragment V on ModelVersion { version digest stage createdAt bands { band from to } }`

const MODELS = `query RestModels { models { ...M } }
${MODEL_FIELDS}`

const MODEL = `query RestModel($name: String!) { model(name: $name) { ...M } }
${MODEL_FIELDS}`

const NO_MODEL = 'No model of this name serves here. GET /api/models lists those that do.'

const version = z
  .looseObject({
    version: z.string(),
    digest: z.string().nullable().describe('SHA-256 of the ONNX file, hexadecimal. Null where the manifest cannot be read.'),
    stage: z.string(),
    createdAt: z.string().nullable().meta({ format: 'date-time' }),
    bands: z
      .array(z.looseObject({ band: z.enum(RISK_BANDS), from: z.number(), to: z.number() }))
      .describe(
        'The probabilities of default of each band: from <= p < to; the last interval includes 1. Empty without a manifest.',
      ),
  })
  .meta({ id: 'ModelVersion' })

const model = z
  .looseObject({
    name: z.string(),
    features: z.array(
      z.looseObject({
        name: z.string(),
        kind: z.enum(FeatureKindEnum),
        required: z.boolean(),
        minimum: z.number().nullable(),
        maximum: z.number().nullable(),
        categories: z.array(z.string()).nullable(),
        unit: z.string().nullable(),
        description: z.looseObject({ en: z.string(), es: z.string() }),
      }),
    ),
    champion: version.nullable().describe('The version that answers; null where none may serve.'),
    versions: z.array(version),
  })
  .describe('A model that serves, with the features that it takes.')
  .meta({ id: 'Model' })

export const MODEL_ROUTES: readonly RestRoute[] = [
  {
    method: 'GET',
    path: '/api/models',
    operationId: 'listModels',
    tag: 'Models',
    summary: 'List the models that serve',
    description: 'The models that serve, with the features that each takes.',
    document: MODELS,
    hasEntityTag: true,
    answer: z.looseObject({ models: z.array(model) }),
    codes: [],
    variables: () => ({}),
    answerOf: ({ models }) => ({ models: models.map(toModel) }),
    pathOf: path => ['address', ...path],
  },
  {
    method: 'GET',
    path: '/api/models/{name}',
    operationId: 'getModel',
    tag: 'Models',
    summary: 'Get a model',
    description: 'A model that serves, by its name.',
    document: MODEL,
    hasEntityTag: true,
    answer: model,
    codes: ['MODEL_NOT_FOUND'],
    variables: ({ parameter }) => ({ name: parameter }),
    answerOf: data => toModel(found(data.model, 'MODEL_NOT_FOUND', NO_MODEL)),
    pathOf: path => ['address', ...path],
  },
]

function toModel({ contract, ...fields }: Data): Record<string, unknown> {
  return { ...fields, features: contract.map(({ en, es, ...feature }: Data) => ({ ...feature, description: { en, es } })) }
}
