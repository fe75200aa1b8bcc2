import { z } from 'zod'
import type { ModelContract } from '../../scoring/contract.js'
import { MAX_BATCH_ROWS } from '../../scoring/predictRisk.js'
import { restMistake } from '../problem.js'
import { PREDICTION_FIELDS, predictAnswer, predictionAnswer, rowMistake, toPrediction } from './answers.js'
import { featuresSchema } from './featureSchemas.js'
import type { ProblemCode } from './problemCodes.js'
import { type Data, idempotencyKey, type RestRoute } from './restRoute.js'

const PREDICT = `mutation RestPredict($input: PredictRiskInput!) {
  predictRisk(input: $input) { replayed prediction { ...P } }
}
${PREDICTION_FIELDS}`

const PREDICT_BATCH = `mutation RestPredictBatch($items: [PredictRiskInput!]!) {
  predictRiskBatch(input: { items: $items }) {
    results { index replayed prediction { ...P } errors { code message path } }
  }
}
${PREDICTION_FIELDS}`

// The operation itself checks texts; the meta of a schema is shown only. It is a pattern that every generator understands: no control
// characters, and no space at the ends.
const SEEN = '[^\\u0000-\\u0020\\u007f-\\u00a0]'
const PRINTABLE = `^${SEEN}([^\\u0000-\\u001f\\u007f-\\u009f]*${SEEN})?$`
const SCORING_CODES: readonly ProblemCode[] = [
  'IDEMPOTENCY_KEY_REUSED',
  'MODEL_NOT_FOUND',
  'MODEL_OUTPUT_INVALID',
  'OUTCOME_UNKNOWN',
]

const rowKey = z
  .string()
  .nullish()
  .describe('As the header Idempotency-Key, for this row.')
  .meta({ minLength: 1, maxLength: 255, pattern: '^[!-~]+$' })

/** An application, as a body holds it. */
interface AskedApplication {
  readonly applicantId: string
  readonly model: string
  readonly features: Readonly<Record<string, unknown>>
  readonly channel?: string | null | undefined
  readonly idempotencyKey?: string | null | undefined
}

export function predictRoutes(contracts: readonly ModelContract[]): RestRoute[] {
  const fieldOf = new Map(contracts.map(({ name, inputField }) => [name, inputField]))
  const toInput = ({ applicantId, model, features, channel }: AskedApplication, key: string | undefined) => ({
    applicantId,
    features: { [fieldOf.get(model) as string]: features },
    channel,
    idempotencyKey: key,
  })
  return [
    {
      method: 'POST',
      path: '/api/predict',
      operationId: 'predict',
      tag: 'Scoring',
      summary: 'Score one applicant',
      description:
        'Scores one applicant, stores the prediction durably, raises an alert when it is high risk, then answers. Send an Idempotency-Key, so that a retry returns the first answer again.',
      document: PREDICT,
      body: application(contracts, { withDomains: false }),
      shownBody: application(contracts, { withDomains: true }),
      idempotencyKey: idempotencyKey(255, '422'),
      answer: predictAnswer,
      codes: SCORING_CODES,
      variables: asked => ({ input: toInput(asked.body as AskedApplication, asked.idempotencyKey) }),
      answerOf: ({ predictRisk: { prediction, replayed } }) => ({ ...toPrediction(prediction), replayed }),
      pathOf: path => (path[0] === 'idempotencyKey' ? ['header', 'Idempotency-Key'] : ['body', ...inApplication(path)]),
    },
    {
      method: 'POST',
      path: '/api/predict/batch',
      operationId: 'predictBatch',
      tag: 'Scoring',
      summary: 'Score several applicants',
      description: `Scores 1 to ${MAX_BATCH_ROWS} applicants in one call. A row with a wrong value gets errors of its own; the others are scored and stored. A row may have an \`idempotencyKey\`; for the others, an Idempotency-Key of the request counts, each with its position behind it.`,
      document: PREDICT_BATCH,
      // The number of rows is checked before any row.
      body: z.strictObject({
        items: rowsOf(z.unknown()).pipe(z.array(application(contracts, { withDomains: false, isRow: true }))),
      }),
      shownBody: z.strictObject({ items: rowsOf(application(contracts, { withDomains: true, isRow: true })) }),
      // A row adds its position to the key.
      idempotencyKey: idempotencyKey(250, 'IDEMPOTENCY_KEY_REUSED in the `errors` of the row'),
      answer: z.looseObject({
        results: z.array(
          z.looseObject({
            index: z.int().min(0).describe('The position of the application in the batch, from 0.'),
            prediction: predictionAnswer.nullable(),
            replayed: z.boolean(),
            errors: z.array(rowMistake).describe('Empty where there is a prediction.'),
          }),
        ),
      }),
      codes: SCORING_CODES,
      variables: asked => ({
        items: (asked.body as { items: AskedApplication[] }).items.map((item, i) =>
          toInput(item, item.idempotencyKey ?? (asked.idempotencyKey && `${asked.idempotencyKey}/${i}`)),
        ),
      }),
      answerOf: ({ predictRiskBatch }) => ({ results: predictRiskBatch.results.map(toResult) }),
      pathOf: path => ['body', ...path],
    },
  ]
}

function application(
  contracts: readonly ModelContract[],
  { withDomains, isRow = false }: { withDomains: boolean; isRow?: boolean },
) {
  const [first, ...others] = contracts.map(contract =>
    z.strictObject({
      applicantId: z
        .string()
        .describe(
          "The caller's own reference to the applicant: 1 to 128 printable characters without spaces at the ends, not beginning with `erased:`. Each spelling in Unicode is the same reference. Never personal data such as a name or document number.",
        )
        .meta({ minLength: 1, maxLength: 128, pattern: PRINTABLE }),
      model: z.literal(contract.name),
      features: featuresSchema(contract, { withDomains }),
      channel: z
        .string()
        .nullish()
        .describe('Where the application came from, for later analysis: web, mobile, branch, a product. 1 to 32 characters.')
        .meta({ minLength: 1, maxLength: 32, pattern: PRINTABLE }),
      ...(isRow && { idempotencyKey: rowKey }),
    }),
  )
  if (!first) throw new Error('There is no model whose features an application could hold.')
  return z.discriminatedUnion('model', [first, ...others])
}

function rowsOf(row: z.ZodType) {
  return z.array(row).min(1).max(MAX_BATCH_ROWS)
}

/** Leads into the application of a body, where features do not stand below the input field of their model. */
function inApplication(path: readonly string[]): readonly string[] {
  const [first, , ...feature] = path
  return first === 'features' ? ['features', ...feature] : path
}

function toResult({ index, replayed, prediction, errors }: Data): Record<string, unknown> {
  return {
    index,
    prediction: prediction && toPrediction(prediction),
    replayed,
    errors: errors.map((error: Data) => restMistake(error, ['body', 'items', String(index), ...inApplication(error.path ?? [])])),
  }
}
