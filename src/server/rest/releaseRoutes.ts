import { z } from 'zod'
import { ModelStageEnum, ReleaseActionEnum, ReleaseChangeStateEnum, ReleaseSourceEnum } from '../../schema/scalars.js'
import { storable } from './queryParameters.js'
import { type Asked, found, type RestRoute } from './restRoute.js'

const QUALITY_FIELDS = 'rows auc ks gini brier'

const REPORT = `query RestReport($name: String!) {
  model(name: $name) {
    versions {
      version stage
      origin { source name version runId url runUrl }
      report {
        content checkedAt checkedBy signed problems championProblems warnings rowByRow goldenRows worstGoldenDeviation bandShares
        quality { ${QUALITY_FIELDS} } comparedWith championQuality { ${QUALITY_FIELDS} } populationStabilityIndex loadMs rowMs peakBytes
      }
    }
  }
}`

const RELEASE_FIELDS = `fragment R on ReleasePayload {
  rollout {
    champion challenger { version share } shadow { version share } earlier retired revision stages { version stage }
  }
  change {
    id model action version challenger { version share } shadow { version share } reason state proposedBy proposedAt decidedBy decidedAt
    decisionReason
  }
}`

const dateTime = z.string().meta({ format: 'date-time' })
const share = z.looseObject({ version: z.string(), share: z.number() })

const releaseAnswer = z
  .looseObject({
    rollout: z.looseObject({
      champion: z.string().nullable(),
      challenger: share.nullable(),
      shadow: share.nullable(),
      earlier: z.array(z.string()).describe('The champions that a rollback goes back to, the newest first.'),
      retired: z.array(z.string()),
      revision: z.int(),
      stages: z.array(z.looseObject({ version: z.string(), stage: z.enum(ModelStageEnum) })),
    }),
    change: z
      .looseObject({
        id: z.string().meta({ format: 'uuid' }),
        model: z.string(),
        action: z.enum(ReleaseActionEnum),
        version: z.string().nullable(),
        challenger: share.nullable(),
        shadow: share.nullable(),
        reason: z.string(),
        state: z.enum(ReleaseChangeStateEnum).describe('PROPOSED waits for a second principal.'),
        proposedBy: z.string().nullable(),
        proposedAt: dateTime,
        decidedBy: z.string().nullable(),
        decidedAt: dateTime.nullable(),
        decisionReason: z.string().nullable(),
      })
      .nullable()
      .describe('Null where the rollout already was as asked.'),
  })
  .describe('Which versions of the model serve from now on, and the change.')
  .meta({ id: 'Release' })

const quality = z
  .looseObject({ rows: z.int(), auc: z.number(), ks: z.number(), gini: z.number(), brier: z.number() })
  .meta({ id: 'ModelQuality' })

const reportAnswer = z
  .looseObject({
    version: z.string(),
    stage: z.enum(ModelStageEnum),
    origin: z.looseObject({
      source: z.enum(ReleaseSourceEnum),
      name: z.string().nullable(),
      version: z.string().nullable(),
      runId: z.string().nullable(),
      url: z.string().nullable().describe('The page of the version in MLflow.'),
      runUrl: z.string().nullable().describe('The page of the run in MLflow.'),
    }),
    content: z.string().describe('SHA-256 of everything that was checked, hexadecimal.'),
    checkedAt: dateTime,
    checkedBy: z.string(),
    signed: z.boolean(),
    problems: z.array(z.string()).describe('Why the version must not serve; none where it may.'),
    championProblems: z.array(z.string()),
    warnings: z.array(z.string()),
    rowByRow: z.boolean(),
    goldenRows: z.int().nullable(),
    worstGoldenDeviation: z.number().nullable(),
    bandShares: z.array(z.number()).nullable(),
    quality: quality.nullable(),
    comparedWith: z.string().nullable(),
    championQuality: quality.nullable(),
    populationStabilityIndex: z.number().nullable(),
    loadMs: z.number().nullable(),
    rowMs: z.number().nullable(),
    peakBytes: z.number().nullable(),
  })
  .describe('What the checks of a version found before it might serve.')
  .meta({ id: 'AdmissionReport' })

const version = storable.min(1)
const reason = storable.min(1).max(500).describe('For the audit.')
const traffic = z.strictObject({ version, share: z.number().gt(0).max(1) })

/** A route that runs one of the mutations of releases. */
function change(
  path: string,
  mutation: string,
  texts: Pick<RestRoute, 'operationId' | 'summary' | 'description'>,
  body: z.ZodObject | undefined,
  parameter: 'model' | 'changeId',
): RestRoute {
  const input = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}Input`
  return {
    method: 'POST',
    path,
    tag: 'Models',
    ...texts,
    document: `mutation Rest($input: ${input}!) { ${mutation}(input: $input) { ...R } }\n${RELEASE_FIELDS}`,
    ...(body && { body }),
    answer: releaseAnswer,
    codes: ['NOT_FOUND', 'MODEL_NOT_FOUND', 'OUTCOME_UNKNOWN'],
    variables: asked => ({ input: { ...(asked.body as object | undefined), [parameter]: asked.parameter } }),
    answerOf: data => data[mutation],
    pathOf: ([first = '', ...rest]) =>
      first === parameter ? ['address', parameter === 'model' ? 'name' : 'change'] : ['body', first, ...rest],
  }
}

const WAITS =
  'Where the installation demands approval, the change is only PROPOSED. The same request again answers the open proposal.'

export const RELEASE_ROUTES: readonly RestRoute[] = [
  {
    method: 'GET',
    path: '/api/models/{name}/versions/{version}/report',
    operationId: 'getAdmissionReport',
    tag: 'Models',
    summary: 'Get the admission report of a version',
    description: 'What the checks of a version found before it might serve, and where the version came from.',
    document: REPORT,
    answer: reportAnswer,
    codes: ['MODEL_NOT_FOUND', 'NOT_FOUND'],
    variables: ({ parameters }) => ({ name: parameters.name }),
    answerOf: ({ model }, asked) => reportOf(found(model, 'MODEL_NOT_FOUND', 'No model of this name serves here.'), asked),
    pathOf: path => ['address', ...path],
  },
  change(
    '/api/models/{name}/promote',
    'promoteModelVersion',
    {
      operationId: 'promoteModelVersion',
      summary: 'Make a version champion',
      description: `All gateways follow within two seconds. ${WAITS}`,
    },
    z.strictObject({ version, reason }),
    'model',
  ),
  change(
    '/api/models/{name}/rollback',
    'rollbackModel',
    {
      operationId: 'rollbackModel',
      summary: 'Go back to the champion before',
      description: 'Makes the newest earlier champion champion again whose checks found no problem. It never waits for approval.',
    },
    z.strictObject({
      from: version.optional().describe('The champion to leave: with it, a repeated call does not go back twice.'),
      reason,
    }),
    'model',
  ),
  change(
    '/api/models/{name}/split',
    'setTrafficSplit',
    {
      operationId: 'setTrafficSplit',
      summary: 'Give other versions a share',
      description: `Says which versions get a share beside the champion; one that is not named gets none. ${WAITS}`,
    },
    z.strictObject({ challenger: traffic.nullish(), shadow: traffic.nullish(), reason }),
    'model',
  ),
  change(
    '/api/models/{name}/retire',
    'retireModelVersion',
    {
      operationId: 'retireModelVersion',
      summary: 'Take a version out',
      description: `Only a promotion brings it back. ${WAITS}`,
    },
    z.strictObject({ version, reason }),
    'model',
  ),
  change(
    '/api/release-changes/{change}/approve',
    'approveReleaseChange',
    {
      operationId: 'approveReleaseChange',
      summary: 'Approve a change',
      description: 'Applies a proposed change of another principal, as long as the rollout is what it was proposed on.',
    },
    undefined,
    'changeId',
  ),
  change(
    '/api/release-changes/{change}/refuse',
    'refuseReleaseChange',
    {
      operationId: 'refuseReleaseChange',
      summary: 'Refuse a change',
      description: 'Refuses a proposed change, or withdraws an own one.',
    },
    z.strictObject({ reason }),
    'changeId',
  ),
]

function reportOf(
  { versions }: { versions: readonly { version: string; report: object | null }[] },
  { parameters }: Asked,
): unknown {
  const asked = versions.find(candidate => candidate.version === parameters.version)
  const { report, ...rest } = found(asked ?? null, 'NOT_FOUND', 'The model has no version of this name.')
  return { ...rest, ...found(report, 'NOT_FOUND', 'No gateway has checked this version yet.') }
}
