// What the chart renders, for each installation.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { CHART, INSTALLATIONS, KUBERNETES, NAMESPACE, objectsOf, ofKind, podsOf, template } from './chart.mjs'
import { gatewayOf, sourceOf } from './facts.mjs'
import { parseYaml, run } from './tools.mjs'

// Kinds of other projects, which Kubernetes' own schemas do not know.
const FOREIGN_KINDS = ['HTTPRoute', 'PodMonitoring', 'ServiceMonitor']
const ALWAYS = ['Deployment', 'PodDisruptionBudget', 'Service', 'ServiceAccount']
const KINDS = {
  minimal: [...ALWAYS, 'Job', 'NetworkPolicy', 'NetworkPolicy'],
  production: [...ALWAYS, 'HorizontalPodAutoscaler', 'Ingress', 'Job', 'NetworkPolicy', 'NetworkPolicy', 'ServiceMonitor'],
  'everything on': [
    ...ALWAYS,
    ...[
      'ConfigMap',
      'HTTPRoute',
      'HorizontalPodAutoscaler',
      'Ingress',
      'CronJob',
      'Job',
      'NetworkPolicy',
      'NetworkPolicy',
      'NetworkPolicy',
      'ServiceMonitor',
    ],
  ],
  'everything off': ALWAYS,
  gke: [...ALWAYS, 'HTTPRoute', 'HorizontalPodAutoscaler', 'Job', 'NetworkPolicy', 'NetworkPolicy', 'PodMonitoring'],
  aks: [...ALWAYS, 'HTTPRoute', 'HorizontalPodAutoscaler', 'Job', 'NetworkPolicy', 'NetworkPolicy', 'ServiceMonitor'],
}

for (const [name, values] of Object.entries(INSTALLATIONS)) {
  describe(`the chart, ${name}`, async () => {
    const objects = await objectsOf(values)
    const pods = podsOf(objects)
    const gateway = gatewayOf(objects)

    it('has the expected kinds of objects', () => {
      assert.deepEqual(objects.map(({ kind }) => kind).sort(), KINDS[name].toSorted())
    })

    it('passes helm lint', async () => {
      const { code, stdout } = await run('helm', ['lint', CHART, '--strict', '--kube-version', KUBERNETES[1], ...values])
      assert.equal(code, 0, stdout)
    })

    it('fits the schemas of the oldest and the newest Kubernetes', async () => {
      for (const version of KUBERNETES) {
        const { stdout } = await template(values, version)
        const known = parseYaml(stdout).filter(({ kind }) => !FOREIGN_KINDS.includes(kind))
        const { code, stdout: printed } = await validate(version, known)
        assert.equal(code, 0, printed)
        assert.equal(printed.match(/ passed for resource /g)?.length, known.length, printed)
      }
    })

    it('keeps every pod closed: no links, no token, no root, nothing to write to', () => {
      for (const { spec } of pods) {
        assert.equal(spec.enableServiceLinks, false)
        assert.equal(spec.automountServiceAccountToken, false)
        assert.equal(spec.securityContext.runAsNonRoot, true)
        assert.deepEqual(spec.securityContext.seccompProfile, { type: 'RuntimeDefault' })
        for (const { securityContext, resources } of spec.containers) {
          assert.equal(securityContext.readOnlyRootFilesystem, true)
          assert.equal(securityContext.allowPrivilegeEscalation, false)
          assert.deepEqual(securityContext.capabilities, { drop: ['ALL'] })
          assert.ok(resources.limits.memory)
        }
      }
    })

    it('holds no secret: each comes as a file of a Secret that the pod mounts', () => {
      assert.deepEqual(ofKind(objects, 'Secret'), [])
      for (const { spec } of pods) {
        const [container] = spec.containers
        const files = mountedSecrets(spec)
        const named = container.env.filter(({ name }) => /_(URL|SECRET|TOKEN|PASSWORD|RELEASE_KEY)_FILE$/.test(name))
        assert.ok(named.length > 0)
        for (const { name, value } of named) assert.ok(files.includes(value), `${name}: ${value} is not in ${files}`)
        for (const secret of sourceOf.secrets) assert.ok(!container.env.some(({ name }) => name === secret), secret)
        for (const { name, valueFrom } of container.env) assert.equal(valueFrom, undefined, name)
      }
    })

    it('starts with settings that riskgate accepts, and migrates without those of the gateway', async () => {
      for (const { spec } of pods) {
        const { code, stderr } = await run('node', ['dist/main.js', 'config'], { env: sourceOf.environment(spec.containers[0]) })
        assert.equal(code, 0, stderr)
      }
    })

    it('asks for health at addresses that exist, in the language of the port', () => {
      const [{ startupProbe, livenessProbe, readinessProbe, ports, env }] = gateway.spec.template.spec.containers
      const isTls = env.some(({ name }) => name === 'RISKGATE_TLS_CERT_FILE')
      for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) {
        assert.ok(sourceOf.addresses.includes(httpGet.path), httpGet.path)
        assert.equal(httpGet.scheme, isTls ? 'HTTPS' : 'HTTP')
        assert.equal(httpGet.port, ports[0].containerPort)
      }
      // A database that is away must not restart the process.
      assert.equal(livenessProbe.httpGet.path, '/healthz')
      assert.equal(readinessProbe.httpGet.path, '/readyz')
    })

    it('gives a stop all the time that it takes', () => {
      const { terminationGracePeriodSeconds, containers } = gateway.spec.template.spec
      const { value } = containers[0].env.find(({ name }) => name === 'RISKGATE_DRAIN_MS')
      // Sockets 0.5 s, requests in hand 5 s, webhooks 1 s: docs/operations/README.md.
      assert.ok(terminationGracePeriodSeconds * 1_000 >= Number(value) + 6_500 + 5_000)
    })

    it('connects Service, disruption budget and policies with the pods', () => {
      const { labels } = gateway.spec.template.metadata
      const [{ spec: service, metadata }] = ofKind(objects, 'Service')
      const [port] = gateway.spec.template.spec.containers[0].ports
      assertPart(gateway.spec.selector.matchLabels, labels)
      assertPart(service.selector, labels)
      assert.equal(service.ports[0].targetPort, port.name)
      for (const { spec } of ofKind(objects, 'PodDisruptionBudget')) assertPart(spec.selector.matchLabels, labels)
      for (const { spec } of ofKind(objects, 'ServiceMonitor')) assertPart(spec.selector.matchLabels, metadata.labels)
      const policies = ofKind(objects, 'NetworkPolicy').map(({ spec }) => spec.podSelector.matchLabels)
      if (policies.length > 0)
        for (const { metadata } of pods) assert.equal(policies.filter(p => isPart(p, metadata.labels)).length, 1)
    })

    it('spreads replicas over zones and nodes', () => {
      const constraints = gateway.spec.template.spec.topologySpreadConstraints
      assert.deepEqual(
        constraints.map(({ topologyKey }) => topologyKey),
        ['topology.kubernetes.io/zone', 'kubernetes.io/hostname'],
      )
      for (const { labelSelector } of constraints) assertPart(labelSelector.matchLabels, gateway.spec.template.metadata.labels)
    })

    it('allows no connection without a port, and none to everybody', () => {
      for (const { spec } of ofKind(objects, 'NetworkPolicy')) {
        assert.deepEqual(spec.policyTypes, ['Ingress', 'Egress'])
        for (const { ports } of [...spec.ingress, ...spec.egress]) assert.ok(ports.length > 0)
        for (const { from } of spec.ingress) assert.ok(from.length > 0)
      }
    })

    it('is all in the namespace of the release', () => {
      assert.deepEqual(
        objects.filter(({ metadata }) => metadata.namespace !== NAMESPACE),
        [],
      )
    })
  })
}

describe('the chart', async () => {
  const minimal = await objectsOf(INSTALLATIONS.minimal)
  const production = await objectsOf(INSTALLATIONS.production)
  const everything = await objectsOf(INSTALLATIONS['everything on'])

  it('migrates before the gateways, with the secret of migrations only', () => {
    const [job] = ofKind(production, 'Job')
    assert.equal(job.metadata.annotations['helm.sh/hook'], 'pre-install,pre-upgrade')
    assert.deepEqual(job.spec.template.spec.containers[0].args, ['migrate'])
    assert.deepEqual(
      job.spec.template.spec.volumes.map(({ secret }) => secret.secretName),
      ['riskgate-migrations'],
    )
    const policy = ofKind(production, 'NetworkPolicy').find(({ metadata }) => metadata.name.endsWith('-migrations'))
    assert.equal(policy.metadata.annotations['helm.sh/hook'], job.metadata.annotations['helm.sh/hook'])
    assert.ok(
      Number(policy.metadata.annotations['helm.sh/hook-weight']) < Number(job.metadata.annotations['helm.sh/hook-weight']),
    )
  })

  it('gives migrations a connection to the database, and to nothing else', () => {
    const policy = ofKind(minimal, 'NetworkPolicy').find(({ metadata }) => metadata.name.endsWith('-migrations'))
    assert.deepEqual(policy.spec.ingress, [])
    assert.deepEqual(
      policy.spec.egress.flatMap(({ ports }) => ports.map(({ port }) => port)),
      [53, 53, 5432],
    )
  })

  it('runs upkeep once a week as the owner of the tables, with the retention of the gateways', () => {
    const [job] = ofKind(everything, 'CronJob')
    assert.equal(job.spec.schedule, '0 3 * * 1')
    const { containers, volumes } = job.spec.jobTemplate.spec.template.spec
    assert.deepEqual(containers[0].args, ['upkeep'])
    assert.equal(volumes[0].secret.secretName, 'riskgate-migrations')
    assert.deepEqual(
      containers[0].env.filter(({ name }) => name.includes('RETENTION')),
      [{ name: 'RISKGATE_PREDICTION_RETENTION_DAYS', value: '365' }],
    )
    const policy = ofKind(everything, 'NetworkPolicy').find(({ metadata }) => metadata.name.endsWith('-upkeep'))
    assert.deepEqual(policy.spec.podSelector.matchLabels, {
      ...job.spec.jobTemplate.spec.template.metadata.labels,
    })
    assert.deepEqual(ofKind(production, 'CronJob'), [])
  })

  it('writes numbers of settings as they are, large ones and parts of one', () => {
    const valueIn = (objects, setting) =>
      gatewayOf(objects).spec.template.spec.containers[0].env.find(({ name }) => name === setting).value
    assert.equal(valueIn(production, 'RISKGATE_BODY_LIMIT_BYTES'), '2097152')
    assert.equal(valueIn(everything, 'RISKGATE_TRACE_RATIO'), '0.05')
  })

  it('lets the gateway reach MLflow, a collector of traces and what extra rules name, where they are set, and only there', () => {
    const portsOf = objects => {
      const { spec } = ofKind(objects, 'NetworkPolicy').find(({ metadata }) => !/-(migrations|upkeep)$/.test(metadata.name))
      return spec.egress.flatMap(({ ports }) => ports.map(({ port }) => port))
    }
    assert.deepEqual(portsOf(production), [53, 53, 5432, 6379, 443])
    assert.deepEqual(portsOf(everything), [53, 53, 5432, 6380, 443, 8443, 4318, 26379])
  })

  it('scales on CPU and on the requests that the rule of the adapter counts', () => {
    const [{ spec }] = ofKind(production, 'HorizontalPodAutoscaler')
    const [rule] = parseYaml(readFileSync('deploy/helm/prometheus-adapter.yaml', 'utf8'))[0].rules.custom
    assert.equal(gatewayOf(production).spec.replicas, undefined)
    assert.deepEqual(spec.metrics[0].resource, { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } })
    assert.deepEqual(spec.metrics[1].pods, {
      metric: { name: rule.name.as },
      target: { type: 'AverageValue', averageValue: '1500' },
    })
    const [series] = rule.seriesQuery.split('{')
    assert.ok(sourceOf.metrics.includes(series.replace(/_count$/, '')), series)
  })

  it('lets streams through the Ingress: no buffer, and more patience than their signs of life need', () => {
    const [{ metadata }] = ofKind(production, 'Ingress')
    const annotation = name => metadata.annotations[`nginx.ingress.kubernetes.io/${name}`]
    assert.equal(annotation('proxy-buffering'), 'off')
    assert.ok(Number(annotation('proxy-read-timeout')) * 1_000 > 2 * sourceOf.keepAliveMs)
    assert.ok(Number(annotation('proxy-send-timeout')) * 1_000 > 2 * sourceOf.keepAliveMs)
    assert.doesNotMatch(annotation('proxy-next-upstream'), /non_idempotent/)
  })

  it('sets no end to streams in the HTTPRoute', () => {
    assert.deepEqual(ofKind(everything, 'HTTPRoute')[0].spec.rules[0].timeouts, { request: '0s' })
  })

  it('shows Prometheus its key by reference', () => {
    const [{ spec }] = ofKind(production, 'ServiceMonitor')
    assert.deepEqual(spec.endpoints[0].authorization, {
      type: 'Bearer',
      credentials: { name: 'riskgate-metrics', key: 'api-key' },
    })
  })

  it('speaks HTTPS to a gateway with a certificate, everywhere', () => {
    const [service] = ofKind(everything, 'Service')
    const [ingress] = ofKind(everything, 'Ingress')
    const [{ spec }] = ofKind(everything, 'ServiceMonitor')
    assert.deepEqual(service.spec.ports, [{ name: 'https', port: 443, targetPort: 'https', appProtocol: 'https' }])
    assert.equal(ingress.metadata.annotations['nginx.ingress.kubernetes.io/backend-protocol'], 'HTTPS')
    assert.equal(ingress.spec.rules[0].http.paths[0].backend.service.port.name, 'https')
    assert.equal(spec.endpoints[0].scheme, 'https')
    assert.deepEqual(spec.endpoints[0].tlsConfig.ca, { configMap: { name: 'authorities', key: 'ca.crt' } })
  })

  it('gives a gateway that follows MLflow a place to write to, and no other', () => {
    const placesOf = objects => {
      const { containers, volumes } = gatewayOf(objects).spec.template.spec
      const { env, volumeMounts } = containers[0]
      const { mountPath, readOnly } = volumeMounts.find(({ name }) => name === 'state') ?? {}
      const { emptyDir } = volumes.find(({ name }) => name === 'state') ?? {}
      return { mountPath, readOnly, emptyDir, set: env.find(({ name }) => name === 'RISKGATE_STATE_DIR')?.value }
    }
    const none = { mountPath: undefined, readOnly: undefined, emptyDir: undefined, set: undefined }
    assert.deepEqual(placesOf(production), none)
    const place = '/var/lib/riskgate'
    assert.deepEqual(placesOf(everything), { ...none, mountPath: place, emptyDir: { sizeLimit: '4Gi' }, set: place })
  })

  it('prefers a digest to a tag', () => {
    assert.match(gatewayOf(production).spec.template.spec.containers[0].image, /^registry\.example\/riskgate@sha256:/)
    assert.equal(gatewayOf(everything).spec.template.spec.containers[0].image, 'registry.example/riskgate:1.2.3')
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
    assert.equal(gatewayOf(minimal).spec.template.spec.containers[0].image, `registry.example/riskgate:${version}`)
  })
})

/** The files that a pod has from Secrets. */
function mountedSecrets({ volumes, containers: [{ volumeMounts }] }) {
  return volumes.flatMap(({ name, secret, projected }) => {
    const sources = secret ? [secret] : (projected?.sources.map(source => source.secret) ?? [])
    const { mountPath } = volumeMounts.find(mount => mount.name === name)
    return sources.flatMap(({ items = [] }) => items.map(({ path }) => `${mountPath}/${path}`))
  })
}

async function validate(version, objects) {
  const folder = mkdtempSync(join(tmpdir(), 'riskgate-manifests-'))
  try {
    const file = join(folder, 'objects.yaml')
    writeFileSync(file, objects.map(object => JSON.stringify(object)).join('\n---\n'))
    const { code, stdout, stderr } = await run('kubernetes-validate', ['-k', version, '--strict', file])
    return { code, stdout: stdout + stderr }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function isPart(part, whole) {
  return Object.entries(part).every(([key, value]) => whole[key] === value)
}

function assertPart(part, whole) {
  assert.ok(isPart(part, whole), `${JSON.stringify(part)} is no part of ${JSON.stringify(whole)}`)
}
