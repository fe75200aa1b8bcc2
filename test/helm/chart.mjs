// Renders the chart with the value files that stand for real installations.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseYaml, run } from './tools.mjs'

export const CHART = 'deploy/helm/riskgate'
const RELEASE = 'risk'
export const NAMESPACE = 'scoring'
/** The oldest Kubernetes that Chart.yaml admits, and the newest whose schemas are at hand. */
export const KUBERNETES = ['1.30.0', '1.37.0']

const CLOUD = ['-f', 'test/helm/values/cloud.yaml']
/** Each installation: its name, and the values that make it. */
export const INSTALLATIONS = {
  minimal: ['-f', 'test/helm/values/minimal.yaml'],
  production: ['-f', 'test/helm/values/production.yaml'],
  'everything on': ['-f', 'test/helm/values/everything-on.yaml'],
  'everything off': ['-f', 'test/helm/values/everything-off.yaml'],
  gke: ['-f', 'deploy/cloud/gke/values.yaml', ...CLOUD],
  aks: ['-f', 'deploy/cloud/aks/values.yaml', ...CLOUD],
}

/** Renders as `helm template` does. Answers the exit code, the manifests, and the error. */
export function template(values, kubernetes = KUBERNETES[1]) {
  const release = [RELEASE, CHART, '--namespace', NAMESPACE, '--kube-version', kubernetes]
  return run('helm', ['template', ...release, ...values])
}

/** The objects of an installation. @throws Error with helm's message where the chart refuses the values */
export async function objectsOf(values) {
  const { code, stdout, stderr } = await template(values)
  if (code !== 0) throw new Error(stderr)
  return parseYaml(stdout)
}

/** Renders an installation with values on top of it. */
export async function templateWith(installation, values) {
  const folder = mkdtempSync(join(tmpdir(), 'riskgate-values-'))
  try {
    const file = join(folder, 'values.json')
    writeFileSync(file, JSON.stringify(values))
    return await template([...INSTALLATIONS[installation], '-f', file])
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The pods that objects start, each with its owner. */
export function podsOf(objects) {
  return objects.filter(({ spec }) => spec?.template?.spec).map(owner => ({ owner, ...owner.spec.template }))
}

export function ofKind(objects, kind) {
  return objects.filter(object => object.kind === kind)
}
