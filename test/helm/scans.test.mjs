// checkov over all that is rendered and over CloudFormation, and cfn-lint.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { INSTALLATIONS, template } from './chart.mjs'
import { compare, EXPLAINED } from './explainedFindings.mjs'
import { run } from './tools.mjs'

const CLOUD_FORMATION = 'deploy/cloud/aws/riskgate.yaml'

describe('the scanners', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'riskgate-scans-'))
  after(() => rmSync(folder, { recursive: true }))

  it('find nothing in manifests and CloudFormation that is not explained', async () => {
    for (const [name, values] of Object.entries(INSTALLATIONS))
      writeFileSync(join(folder, `${name}.yaml`), (await template(values)).stdout)
    const manifests = await checkov('kubernetes', ['-d', folder])
    const cloudFormation = await checkov('cloudformation', ['-f', CLOUD_FORMATION])
    // Both have been read, and by the checks that matter here.
    assert.ok(manifests.passed.includes('CKV_K8S_22'))
    assert.ok(cloudFormation.passed.includes('CKV_AWS_16'))
    const { unexplained, unused } = compare([...manifests.findings, ...cloudFormation.findings])
    assert.deepEqual(unexplained, [])
    assert.deepEqual(unused, [])
    for (const { reason } of EXPLAINED) assert.ok(reason)
  })

  it('find what is wrong: a writable root, an open database', async () => {
    const manifest = (await template(INSTALLATIONS.minimal)).stdout.replaceAll('readOnlyRootFilesystem: true', '')
    const stack = readFileSync(CLOUD_FORMATION, 'utf8').replace('PubliclyAccessible: false', 'PubliclyAccessible: true')
    writeFileSync(join(folder, 'writable.yaml'), manifest)
    writeFileSync(join(folder, 'open.yaml'), stack)
    const manifests = await checkov('kubernetes', ['-f', join(folder, 'writable.yaml')])
    const cloudFormation = await checkov('cloudformation', ['-f', join(folder, 'open.yaml')])
    assert.ok(compare(manifests.findings).unexplained.some(({ check }) => check === 'CKV_K8S_22'))
    assert.ok(compare(cloudFormation.findings).unexplained.some(({ check }) => check === 'CKV_AWS_17'))
  })

  it('cfn-lint finds nothing in CloudFormation, not even a hint', async () => {
    const { code, stdout } = await run('cfn-lint', ['--include-checks', 'I', '--', CLOUD_FORMATION])
    assert.equal(code, 0, stdout)
  })

  it('cfn-lint finds a property that does not exist', async () => {
    const file = join(folder, 'misspelt.yaml')
    writeFileSync(file, readFileSync(CLOUD_FORMATION, 'utf8').replace('MultiAZ: true', 'MultiZone: true'))
    const { code, stdout } = await run('cfn-lint', ['--', file])
    assert.notEqual(code, 0)
    assert.match(stdout, /MultiZone/)
  })
})

async function checkov(framework, what) {
  const options = ['--framework', framework, '--compact', '--skip-download', '--soft-fail', '-o', 'json']
  const { code, stdout, stderr } = await run('checkov', [...options, ...what], { env: { ...process.env, LOG_LEVEL: 'ERROR' } })
  assert.equal(code, 0, stderr)
  const { results } = JSON.parse(stdout)
  assert.deepEqual(results.parsing_errors ?? [], [])
  return {
    passed: results.passed_checks.map(({ check_id: check }) => check),
    findings: results.failed_checks.map(({ check_id: check, check_name: what, file_path: file, resource }) => ({
      check,
      what,
      resource,
      where: basename(file, '.yaml'),
    })),
  }
}
