// What the CloudFormation template says, compared with what riskgate does.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { sourceOf } from './facts.mjs'
import { parseYaml, run } from './tools.mjs'

const [{ Parameters: parameters, Resources: resources }] = parseYaml(readFileSync('deploy/cloud/aws/riskgate.yaml', 'utf8'))
const gateway = resources.Task.Properties.ContainerDefinitions.find(({ Name }) => Name === 'riskgate')
const attribute = (resource, key) => resource.find(({ Key }) => Key === key).Value

describe('the CloudFormation template', () => {
  for (const hasIssuer of [true, false])
    it(`starts with settings that riskgate accepts, ${hasIssuer ? 'with an issuer' : 'with a shared secret'}`, async () => {
      const chosen = item => (item.If ? resolve(item, hasIssuer) : item)
      const plain = gateway.Environment.map(chosen).filter(({ Name }) => Name)
      const secret = gateway.Secrets.map(chosen).filter(({ Name }) => Name)
      const given = { VpcCidr: '10.0.0.0/16', JwksUrl: 'https://login.example/keys' }
      const env = {
        ...Object.fromEntries(plain.map(({ Name, Value }) => [Name, textOf(Value, given)])),
        ...Object.fromEntries(secret.map(({ Name }) => [Name, sourceOf.samples[`${Name}_FILE`]])),
      }
      const { code, stderr } = await run('node', ['dist/main.js', 'config'], { env })
      assert.equal(code, 0, stderr)
      assert.equal('RISKGATE_JWT_SECRET' in env, !hasIssuer)
    })

  it('gives secrets by reference only', () => {
    const names = gateway.Environment.map(item => (item.If ? item.If[2].Name : item.Name))
    for (const secret of sourceOf.secrets) assert.ok(!names.includes(secret), secret)
    for (const item of gateway.Secrets) assert.ok((item.If ? item.If[1] : item).ValueFrom.Ref)
  })

  it('makes addresses of PostgreSQL and Redis with a password, encrypted', () => {
    const [DATABASE_URL, REDIS_URL] = ['DatabaseUrl', 'RedisUrl'].map(name =>
      resources[name].Properties.SecretString.Sub.replace(/\{\{resolve:.*?\}\}/, 'Password1')
        .replace(/\$\{\w+\.\w+\.Port\}/, '1234')
        .replace(/\$\{.*?\}/, 'host.example'),
    )
    assert.equal(DATABASE_URL, 'postgres://riskgate:Password1@host.example:1234/riskgate?sslmode=verify-full')
    assert.equal(REDIS_URL, 'rediss://:Password1@host.example:1234')
  })

  it('closes idle connections before riskgate does, and never a living stream', () => {
    const seconds = Number(attribute(resources.LoadBalancer.Properties.LoadBalancerAttributes, 'idle_timeout.timeout_seconds'))
    assert.ok(seconds * 1_000 < sourceOf.idleConnectionMs)
    assert.ok(seconds * 1_000 > 2 * sourceOf.keepAliveMs)
  })

  it('gives a stop all the time that it takes', () => {
    const { Value } = gateway.Environment.find(({ Name }) => Name === 'RISKGATE_DRAIN_MS')
    assert.ok(gateway.StopTimeout * 1_000 >= Number(Value) + 6_500 + 5_000)
  })

  it('asks for health at an address that exists, and as the image does', () => {
    assert.ok(sourceOf.addresses.includes(resources.Targets.Properties.HealthCheckPath))
    const [, command] = /^HEALTHCHECK .* CMD (\[.*\])$/m.exec(readFileSync('deploy/Dockerfile', 'utf8'))
    assert.deepEqual(gateway.HealthCheck.Command, ['CMD', ...JSON.parse(command)])
  })

  it('starts containers with a root that cannot be written to, and without capabilities', () => {
    for (const container of resources.Task.Properties.ContainerDefinitions) {
      assert.equal(container.ReadonlyRootFilesystem, true)
      assert.deepEqual(container.LinuxParameters.Capabilities, { Drop: ['ALL'] })
    }
    assert.notEqual(gateway.User, '0')
  })
})

/** The branch of an `!If [HasSharedSecret, …]`. */
function resolve({ If: [condition, yes, no] }, hasIssuer) {
  assert.equal(condition, 'HasSharedSecret')
  return hasIssuer ? no : yes
}

function textOf(value, given) {
  return typeof value === 'string' ? value : String(given[value.Ref] ?? parameters[value.Ref].Default)
}
