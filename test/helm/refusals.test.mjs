// Values that the chart refuses, each with the sentence that helm prints.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { templateWith } from './chart.mjs'
import { sourceOf } from './facts.mjs'

const none = { name: '' }
// production: 8 replicas with pools of 10, one more replica during an update, and one connection for migrations.
const CONNECTIONS = 9 * (10 + sourceOf.connectionsBesidePool) + 1

/** What is wrong, an installation, the values on top of it, and what the message says. */
const CONTRADICTIONS = [
  ['no image', 'production', { image: { repository: '' } }, 'image.repository must name your image'],
  ['no database', 'production', { secrets: { database: none } }, 'secrets.database.name must name the Secret'],
  ['migrations without their role', 'production', { secrets: { migrations: none } }, 'secrets.migrations.name must name'],
  [
    'upkeep without the role of the owner',
    'minimal',
    { upkeep: { enabled: true }, migrations: { enabled: false }, secrets: { migrations: none } },
    'secrets.migrations.name must name the Secret of the owner',
  ],
  [
    'no key for tokens',
    'minimal',
    { secrets: { tokens: none } },
    'secrets.tokens.name or settings.RISKGATE_JWKS_URL must be set',
  ],
  [
    'a previous secret without a secret',
    'production',
    { secrets: { tokens: { previousKey: 'old' } } },
    'secrets.tokens.previousKey must not be set without secrets.tokens.name',
  ],
  ...[{ name: 'riskgate-mlflow' }, { tokenKey: 'token' }].map(mlflow => [
    `half of the Secret of MLflow, ${Object.keys(mlflow)}`,
    'production',
    { secrets: { mlflow } },
    'secrets.mlflow needs a name together with tokenKey, passwordKey or webhookKey',
  ]),
  ['two replicas without Redis', 'minimal', { replicas: 2 }, 'secrets.redis.name must be set, since there may be 2 replicas'],
  [
    'an autoscaler without Redis',
    'minimal',
    { autoscaling: { enabled: true, minReplicas: 1, maxReplicas: 3 } },
    'secrets.redis.name must be set, since there may be 3 replicas',
  ],
  [
    'more replicas at least than at most',
    'production',
    { autoscaling: { minReplicas: 9 } },
    'autoscaling.minReplicas must not be greater than autoscaling.maxReplicas',
  ],
  [
    'an autoscaler without a measure',
    'production',
    { autoscaling: { cpuPercent: 0, requestsPerSecond: 0 } },
    'autoscaling needs autoscaling.cpuPercent or autoscaling.requestsPerSecond',
  ],
  [
    'a part of a CPU request that is not there',
    'production',
    { resources: { requests: { cpu: null } } },
    'autoscaling.cpuPercent is a part of resources.requests.cpu',
  ],
  ['an Ingress without a host', 'production', { ingress: { hosts: [] } }, 'ingress.hosts must name a host'],
  ['an HTTPRoute without a host', 'gke', { httpRoute: { hosts: [] } }, 'httpRoute.hosts must name a host'],
  ['an HTTPRoute without a Gateway', 'gke', { httpRoute: { parentRefs: [] } }, 'httpRoute.parentRefs must name a Gateway'],
  [
    'an Ingress whose proxy is not trusted',
    'production',
    { settings: { RISKGATE_TRUSTED_PROXIES: '' } },
    'settings.RISKGATE_TRUSTED_PROXIES must name the proxy',
  ],
  [
    'a policy that shuts the Ingress out',
    'production',
    { networkPolicy: { from: [] } },
    'networkPolicy.from must name the pods of the proxy',
  ],
  [
    'Prometheus without a key',
    'production',
    { secrets: { metrics: none } },
    'secrets.metrics.name must be set when serviceMonitor.enabled is true',
  ],
  [
    'a policy that shuts Prometheus out',
    'production',
    { networkPolicy: { monitoringFrom: [] } },
    'networkPolicy.monitoringFrom must name the pods of Prometheus',
  ],
  [
    'more connections than the database has',
    'production',
    { databaseMaxConnections: CONNECTIONS - 1 },
    `8 replicas need up to ${CONNECTIONS} connections during an update; databaseMaxConnections is ${CONNECTIONS - 1}`,
  ],
  [
    'a setting beside the settings',
    'production',
    { extraEnv: [{ name: 'RISKGATE_LOG_LEVEL', value: 'debug' }] },
    'extraEnv must not set RISKGATE_LOG_LEVEL',
  ],
  [
    'a secret in the open',
    'production',
    { extraEnv: [{ name: 'DATABASE_URL', value: 'postgres://a:b@c/d' }] },
    'extraEnv must not set DATABASE_URL',
  ],
]

/** Values that are wrong by themselves: values.schema.json. */
const WRONG = [
  ['a key that does not exist', { replica: 3 }, "additional properties 'replica' not allowed"],
  ['a setting that does not exist', { settings: { RISKGATE_LOGLEVEL: 'info' } }, "'RISKGATE_LOGLEVEL' not allowed"],
  ['a secret as a setting', { settings: { DATABASE_URL: 'postgres://a:b@c/d' } }, "'DATABASE_URL' not allowed"],
  ['a setting of the chart itself', { settings: { RISKGATE_STATE_DIR: '/data' } }, "'RISKGATE_STATE_DIR' not allowed"],
  ['the value of a secret', { secrets: { redis: { value: 'x' } } }, "additional properties 'value' not allowed"],
  ['no replica', { replicas: 0 }, "at '/replicas': minimum: got 0, want 1"],
  ['text for a number', { replicas: 'two' }, "at '/replicas': got string, want integer"],
  ['a pool that is too small', { settings: { RISKGATE_DATABASE_POOL_SIZE: 3 } }, 'RISKGATE_DATABASE_POOL_SIZE'],
  ['a tag in the repository', { image: { digest: 'latest' } }, "at '/image/digest'"],
  ['a budget that forbids to drain nodes', { podDisruptionBudget: { maxUnavailable: 0 } }, '/podDisruptionBudget/maxUnavailable'],
  ['a host with a path', { ingress: { hosts: ['risk.example/api'] } }, "at '/ingress/hosts/0'"],
]

describe('the chart refuses', () => {
  for (const [what, installation, values, sentence] of CONTRADICTIONS) {
    it(what, async () => {
      const { code, stderr } = await templateWith(installation, values)
      assert.notEqual(code, 0)
      assert.ok(stderr.includes(`\n- ${sentence}`), stderr)
      // Nothing else is wrong with these values.
      assert.equal(stderr.match(/^- /gm).length, 1, stderr)
    })
  }

  for (const [what, values, message] of WRONG) {
    it(what, async () => {
      const { code, stderr } = await templateWith('production', values)
      assert.notEqual(code, 0)
      assert.ok(stderr.includes(message), stderr)
    })
  }

  it('all contradictions at once, a line each', async () => {
    const { stderr } = await templateWith('minimal', { image: { repository: '' }, replicas: 2, secrets: { database: none } })
    assert.equal(stderr.match(/^- .*\.$/gm).length, 3, stderr)
  })

  it('nothing where these values are right', async () => {
    const { code, stderr } = await templateWith('production', {
      databaseMaxConnections: CONNECTIONS,
      autoscaling: { minReplicas: 8 },
    })
    assert.equal(code, 0, stderr)
  })
})
