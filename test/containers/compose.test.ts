import { execFile, execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createTestDatabase } from '../support/database.js'
import { testFolder } from '../support/folder.js'
import { runCommand, TEST_KEY } from '../support/gatewayProcess.js'
import { type ComposeModel, FOLDER, readCompose, type Service } from './composeModel.js'

const run = promisify(execFile)
const written = testFolder('compose')

// What is promised: all of it runs on 2 CPUs and 4 GiB.
const MOST_BYTES = 4 * 1024 ** 3
// One ends by itself, the other has no program that could ask it.
const WITHOUT_CHECK = ['migrate', 'fluent-bit']

const model: ComposeModel = await readCompose('compose.yaml')
const services = Object.entries(model.services)

describe('deploy/compose.yaml', () => {
  it.each([
    ['a key that does not exist', 'mem_limit: 512m', 'mem_limits: 512m'],
    ['a value of the wrong kind', 'read_only: true', 'read_only: [true]'],
    ['a condition that does not exist', 'condition: service_healthy', 'condition: service_happy'],
  ])('is checked against the specification: %s would be found', async (_what, from, to) => {
    const text = readFileSync(join(FOLDER, 'compose.yaml'), 'utf8')
    expect(text).toContain(from)
    const file = join(written, 'compose.yaml')
    writeFileSync(file, text.replace(from, to))
    await expect(readCompose(file)).rejects.toThrow(/validating .*: services\./)
  })

  it('has everything that belongs to an installation', () => {
    const named = ['nginx', 'gateway-1', 'gateway-2', 'migrate', 'postgres', 'redis', 'prometheus', 'alertmanager', 'grafana']
    expect(services.map(([name]) => name).sort()).toEqual([...named, 'loki', 'fluent-bit', 'mlflow'].sort())
  })

  it.each(services)('checks, bounds and pins %s', (name, service) => {
    expect(service.image).toMatch(/^[\w./-]+:(v?\d+\.\d[\w.-]*|\d+-bookworm|local)$/)
    expect(service.security_opt).toEqual(['no-new-privileges:true'])
    expect(service.restart).toBe(name === 'migrate' ? 'no' : 'unless-stopped')
    expect(bytesOf(service.mem_limit)).toBeGreaterThan(0)
    expect(service.pids_limit).toBeGreaterThan(0)
    expect(service.cap_drop).toEqual(['ALL'])
    if (WITHOUT_CHECK.includes(name)) expect(service.healthcheck?.test).toBeUndefined()
    else expect(service.healthcheck?.test?.length).toBeGreaterThan(1)
    // PostgreSQL begins as root, to give its data to its own user.
    if (name !== 'postgres') expect(service).toMatchObject({ read_only: true })
    if (name !== 'postgres') expect(service.cap_add).toBeUndefined()
    expect(Object.keys(model.services)).toEqual(expect.arrayContaining(Object.keys(service.depends_on ?? {})))
    const started = Object.entries(service.depends_on ?? {}).filter(([, { condition }]) => condition === 'service_started')
    for (const [needed] of started) expect(WITHOUT_CHECK).toContain(needed)
  })

  it('stays within the memory that is promised', () => {
    const running = services.filter(([name]) => name !== 'migrate')
    expect(running.reduce((sum, [, { mem_limit }]) => sum + bytesOf(mem_limit), 0)).toBeLessThanOrEqual(MOST_BYTES)
  })

  it('publishes only HTTPS to others than this machine', () => {
    const published = services.flatMap(([name, { ports = [] }]) => ports.map(port => ({ name, ...port })))
    expect(published.filter(({ host_ip }) => host_ip !== '127.0.0.1')).toEqual([
      expect.objectContaining({ name: 'nginx', target: 8443, published: '8443' }),
    ])
    expect(
      services
        .filter(([, { networks }]) => networks && 'data' in networks)
        .map(([name]) => name)
        .sort(),
    ).toEqual(['gateway-1', 'gateway-2', 'migrate', 'postgres', 'redis'])
    expect(model.networks.data?.internal).toBe(true)
  })

  it('mounts only files that are there, secrets as files among them', () => {
    const binds = services.flatMap(([, { volumes = [] }]) => volumes.filter(({ type }) => type === 'bind'))
    expect(binds.length).toBeGreaterThan(8)
    for (const { source, read_only } of binds)
      expect({ source, isThere: existsSync(source), read_only }).toMatchObject({ isThere: true, read_only: true })
    for (const { file } of Object.values(model.secrets))
      expect({ file, isThere: existsSync(file) }).toMatchObject({ isThere: true })
    const used = services.flatMap(([, { secrets = [] }]) => secrets.map(({ source }) => source))
    expect(new Set(used)).toEqual(new Set(Object.keys(model.secrets)))
    // Each file that a setting names is a secret of that service.
    for (const [, { environment = {}, secrets = [] }] of services) {
      const files = Object.entries(environment).filter(([key]) => key.endsWith('_FILE'))
      for (const [, file] of files) expect(secrets.map(({ source }) => `/run/secrets/${source}`)).toContain(file)
    }
  })

  it('gives gateways settings that they accept, and trusts the address of NGINX alone', async () => {
    const { environment = {} } = model.services['gateway-1'] as Service
    const { status, stdout, stderr } = await runCommand(['config'], {
      NODE_ENV: 'production',
      RISKGATE_HOST: '0.0.0.0',
      ...environment,
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const address = model.services.nginx?.networks?.inside?.ipv4_address
    expect(stdout).toMatch(new RegExp(`^RISKGATE_TRUSTED_PROXIES=${address}$`, 'm'))
    expect(model.services['gateway-2']?.environment).toEqual(environment)
  })
})

it('deploy/compose.alerts.yaml gives Alertmanager a receiver, whose secret is a file', async () => {
  const { services: withAlerts, secrets } = await readCompose('compose.yaml', 'compose.alerts.yaml')
  expect(withAlerts.alertmanager).toMatchObject({
    image: model.services.alertmanager?.image,
    command: expect.arrayContaining(['--config.file=/etc/alertmanager/webhook.yml']),
    secrets: [{ source: 'alert-receiver' }],
  })
  for (const name of ['webhook', 'email'])
    expect(readFileSync(join(FOLDER, `alertmanager/${name}.yml`), 'utf8')).toMatch(/_file: \/run\/secrets\/alert-receiver\b/)
  expect(secrets['alert-receiver']?.file).toBe(join(FOLDER, 'secrets/alert-receiver'))
})

describe('deploy/secrets.sh', () => {
  it('keeps what is there, and lets only the owner of the folder reach it', async () => {
    const names = Object.values(model.secrets).map(({ file }) => file)
    const before = names.map(file => readFileSync(file, 'utf8'))
    const { stdout } = await run('sh', [join(FOLDER, 'secrets.sh')])
    expect(stdout).toBe('')
    expect(names.map(file => readFileSync(file, 'utf8'))).toEqual(before)
    expect(new Set(before).size).toBe(before.length)
    expect(statSync(join(FOLDER, 'secrets')).mode & 0o777).toBe(0o700)
    for (const file of names) expect({ file, mode: statSync(file).mode & 0o777 }).toEqual({ file, mode: 0o644 })
  })

  it('makes secrets that git does not see', () => {
    expect(execFileSync('git', ['check-ignore', 'deploy/secrets/jwt-secret'], { encoding: 'utf8' })).toBe(
      'deploy/secrets/jwt-secret\n',
    )
  })
})

describe('the files beside it', () => {
  it.each([
    ['nginx', ['-t', '-c', join(FOLDER, 'nginx/nginx.conf')]],
    ['promtool', ['check', 'config', join(FOLDER, 'prometheus/prometheus.yml')]],
    ...['alertmanager', 'webhook', 'email'].map(
      name => ['amtool', ['check-config', join(FOLDER, `alertmanager/${name}.yml`)]] as [string, string[]],
    ),
  ])('are right for %s', async (program, arguments_) => {
    // Into a file: NGINX cannot open a socket for its log.
    const output = join(written, program)
    await run('sh', ['-c', `"$0" "$@" >${output} 2>&1`, program, ...arguments_]).catch(() => {})
    expect(readFileSync(output, 'utf8')).toMatch(/syntax is ok|SUCCESS/)
    expect(readFileSync(output, 'utf8')).not.toMatch(/\[(emerg|alert|error|warn)\]|FAILED/)
  })

  it('make the role and the database of the gateways, with the password of their secret', async () => {
    await using server = await createTestDatabase()
    // The server of the tests has a role riskgate, its superuser.
    const file = join(written, 'create.sql')
    writeFileSync(
      file,
      readFileSync(join(FOLDER, 'postgres/createRiskgate.sql'), 'utf8').replaceAll(' riskgate', ' compose_test'),
    )
    await run('psql', [server.url, '--no-psqlrc', '--quiet', '--set', 'ON_ERROR_STOP=1', '--file', file])
    const url = new URL(readFileSync(join(FOLDER, 'secrets/database-url'), 'utf8'))
    const { hostname, port } = new URL(server.url)
    Object.assign(url, { hostname, port, username: 'compose_test', pathname: '/compose_test' })
    const migrated = await runCommand(['migrate'], { DATABASE_URL: url.href, ...TEST_KEY })
    expect(migrated).toMatchObject({ status: 0, stderr: '' })
    const [role] = await server.sql`select rolsuper from pg_roles where rolname = 'compose_test'`
    expect(role).toEqual({ rolsuper: false })
    await server.sql`drop database compose_test`
    await server.sql`drop role compose_test`
  })
})

function bytesOf(limit: string | undefined): number {
  const [, megabytes] = /^(\d+)m$/.exec(limit ?? '') ?? []
  return Number(megabytes) * 1024 ** 2
}
