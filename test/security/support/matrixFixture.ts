import { buildClientSchema, type GraphQLSchema, getIntrospectionQuery, type IntrospectionQuery } from 'graphql'
import { application, HIGH_RISK, LOW_RISK } from '../../support/applicants.js'
import { startGateway, type TestGateway } from '../../support/gateway.js'
import { until } from '../../support/process.js'
import { startReceiver } from '../../support/receiver.js'
import { prepareReleases } from '../../support/releases.js'
import { ArgumentValues } from './argumentValues.js'

/** Every caller of the matrix is this client, so that it owns the data and may see what is visible only to an owner. */
export const SUBJECT = 'asker'
const DISPOSABLE = '01900000-0000-7000-8000-00000000d15b'
/** The mutations that change a rollout. */
const RELEASES = /^(promote|rollback|setTraffic|retire|approve|refuse)/
const HOUR_MS = 3_600_000

export interface MatrixFixture extends AsyncDisposable {
  readonly gateway: TestGateway
  /** The schema from the gateway's introspection. */
  readonly schema: GraphQLSchema
  readonly values: ArgumentValues
  /** Creates the data that the mutation of this name uses up. */
  prepare(mutation: string): Promise<void>
}

/** Starts a gateway with some data of every kind, all owned by the subject. */
export async function startMatrixFixture(): Promise<MatrixFixture> {
  const receiver = await startReceiver()
  const gateway = await startGateway({
    RISKGATE_WEBHOOK_ALLOW_PRIVATE: 'true',
    RISKGATE_RATE_LIMIT_PRINCIPAL: '0',
    RISKGATE_RATE_LIMIT_TENANT: '0',
    RISKGATE_MAX_STREAMS: '1000',
  })
  const { sql } = gateway.database
  const admin = await gateway.as({ roles: ['ADMIN'], subject: SUBJECT })
  const ask = async <Data>(query: string, variables = {}): Promise<Data> => {
    const { data, errors } = await admin.send<Data>({ query, variables })
    if (errors || !data) throw new Error(`The fixture could not be created: ${JSON.stringify(errors)}`)
    return data
  }
  const schema = buildClientSchema((await ask<IntrospectionQuery>(getIntrospectionQuery({ oneOf: true }))) as IntrospectionQuery)
  const { alertCursor } = await ask<{ alertCursor: string }>('{ alertCursor }')
  const items = Array.from({ length: 3 }, (_, i) => ({
    ...application('read-1', HIGH_RISK),
    channel: 'web',
    idempotencyKey: `key-${i}`,
  }))
  const { predictRiskBatch } = await ask<{ predictRiskBatch: { results: { prediction: { id: string } }[] } }>(
    'mutation ($items: [PredictRiskInput!]!) { predictRiskBatch(input: { items: $items }) { results { prediction { id } } } }',
    { items },
  )
  const ids = predictRiskBatch.results.map(({ prediction }) => prediction.id)
  const [id] = ids as [string]
  const outcomes = ids.map(predictionId => ({ predictionId, defaulted: true, observedAt: new Date().toISOString() }))
  await ask('mutation ($items: [RecordOutcomeInput!]!) { recordOutcomes(input: { items: $items }) { results { index } } }', {
    items: outcomes,
  })
  // The feed may wait for an open transaction of another test on the server.
  await until(async () => (await ask<{ alerts: { nodes: unknown[] } }>('{ alerts { nodes { id } } }')).alerts.nodes.length === 3)
  await ask('mutation ($id: ID!) { acknowledgeAlert(input: { alertId: $id }) { alert { id } } }', { id })
  const { createWebhook } = await ask<{ createWebhook: { webhook: { id: string } } }>(
    'mutation ($url: String!) { createWebhook(input: { url: $url }) { webhook { id } } }',
    { url: receiver.url },
  )
  const webhookId = createWebhook.webhook.id
  const { createApiKey } = await ask<{ createApiKey: { apiKey: { id: string } } }>(
    'mutation ($principal: ID!) { createApiKey(input: { principal: $principal, roles: [SCORER] }) { apiKey { id } } }',
    { principal: SUBJECT },
  )
  // The matrix rotates one secret more often than a webhook may have earlier ones: each ends at once.
  await sql.unsafe(`
    create function end_at_once() returns trigger language plpgsql as $$ begin new.until = now(); return new; end $$;
    create trigger end_at_once before insert on webhook_previous_secrets for each row execute function end_at_once()`)
  const [delivery] = await sql<{ id: string }[]>`
    insert into webhook_deliveries (id, webhook_id, tenant, alert_id, state, attempts, created_at)
    values (${id}, ${webhookId}, 'default', ${id}, 'DELIVERED', 1, now()) returning id`
  await sql`
    insert into shadow_scores (prediction_id, tenant, model, version, probability, band, created_at)
    select id, tenant, model, '1', 0.5, 7, created_at from predictions`
  const [changeId] = await prepareReleases(gateway.database.url)
  // A proposal can be approved only on the revision that it was made on, and a document may change the rollout before it approves.
  await sql.unsafe(`
    create function same_revision() returns trigger language plpgsql as $$ begin new.revision = old.revision; return new; end $$;
    create trigger same_revision before update on model_rollouts for each row execute function same_revision()`)
  await sql`update model_rollouts set challenger = 'c', challenger_share = 0.1, shadow = 'd', shadow_share = 1, revision = revision + 1`
  return {
    gateway,
    schema,
    values: new ArgumentValues({
      'Query.prediction.id': id,
      'Query.predictionByKey.idempotencyKey': 'key-0',
      'Query.predictions.filter': { applicantId: 'read-1' },
      'Query.applicant.id': 'read-1',
      'Query.model.name': 'consumer-credit',
      'Query.riskSummary.from': new Date(Date.now() - HOUR_MS).toISOString(),
      'Query.riskSummary.to': new Date(Date.now() + HOUR_MS).toISOString(),
      'Query.versionComparison.model': 'consumer-credit',
      'Query.versionComparison.version': '1',
      'Query.versionComparison.against': '2',
      'Query.versionComparison.from': new Date(Date.now() - HOUR_MS).toISOString(),
      'Query.versionComparison.to': new Date(Date.now() + HOUR_MS).toISOString(),
      'Subscription.highRiskScored.after': alertCursor,
      'PredictRiskInput.applicantId': 'score-1',
      'PredictRiskInput.features': { consumerCredit: LOW_RISK },
      // One row is refused and one is not, so that the fields of errors are covered too.
      'PredictRiskBatchInput.items': [application('score-1'), application('score-1', {})],
      'RecordOutcomesInput.items': [outcomes[0], { ...outcomes[1], predictionId: 'none' }],
      'AcknowledgeAlertInput.alertId': id,
      'CreateWebhookInput.url': receiver.url,
      'CreateWebhookInput.description': 'of the matrix',
      'RotateWebhookSecretInput.webhookId': webhookId,
      'CreateApiKeyInput.principal': SUBJECT,
      'RevokeApiKeyInput.apiKeyId': createApiKey.apiKey.id,
      'DeleteWebhookInput.webhookId': DISPOSABLE,
      'RedeliverWebhookInput.deliveryId': delivery?.id,
      'EraseApplicantInput.applicantId': 'nobody-1',
      'RecordOutcomeInput.predictionId': id,
      'PromoteModelVersionInput.version': 'b',
      'RetireModelVersionInput.version': 'b',
      // It gets a real report, without the figures that version 2 shows.
      'AdmitModelVersionInput.version': '1',
      'ApproveReleaseChangeInput.changeId': changeId,
      'RefuseReleaseChangeInput.changeId': changeId,
      ...Object.fromEntries(
        [
          'PromoteModelVersion',
          'RollbackModel',
          'SetTrafficSplit',
          'RetireModelVersion',
          'AdmitModelVersion',
          'RefuseReleaseChange',
        ].flatMap(name => [
          [`${name}Input.model`, 'consumer-credit'],
          [`${name}Input.reason`, 'of the matrix'],
        ]),
      ),
    }),
    async prepare(mutation) {
      if (RELEASES.test(mutation)) {
        await sql`
          update model_rollouts set champion = 'a', challenger = 'c', challenger_share = 0.1, shadow = 'd', shadow_share = 1,
            earlier = '{b}', retired = '{}', revision = revision + 1`
        await sql`update release_changes set state = 'PROPOSED', decided_by = null where id = ${changeId}`
      }
      if (mutation === 'createWebhook') await sql`delete from webhooks where description = 'of the matrix'`
      if (mutation === 'deleteWebhook') {
        await sql`
          insert into webhooks (id, tenant, url, secret, created_at, created_by, epoch, xid, seq)
          select ${DISPOSABLE}, tenant, url, secret, created_at, created_by, epoch, xid, seq from webhooks where id = ${webhookId}
          on conflict do nothing`
      }
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      await receiver[Symbol.asyncDispose]()
    },
  }
}
