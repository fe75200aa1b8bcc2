// The containers of the chart, run as processes on a real PostgreSQL whose roles are made as docs/operations/kubernetes.md says.
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import postgres from 'postgres'
import { INSTALLATIONS, objectsOf, podsOf } from './chart.mjs'
import { sourceOf } from './facts.mjs'
import { startRiskgate } from './process.mjs'
import { parseYaml } from './tools.mjs'

const PASSWORD = 'of-a-role'
// riskgate's own database has the name that the page gives to this one.
const DATABASE = 'scoring'

describe('the pods of the chart', () => {
  const folder = mkdtempSync(join(tmpdir(), 'riskgate-pods-'))
  // PostgreSQL runs under another account if this one is root.
  chmodSync(folder, 0o711)
  const processes = []
  const connections = []
  let containers
  let port

  const start = (arguments_, env) => {
    const started = startRiskgate(arguments_, env)
    processes.push(started)
    return started
  }
  const connect = (user, password, database) => {
    const address = `postgres://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`
    connections.push(postgres(address, { max: 1, onnotice: () => {} }))
    return connections.at(-1)
  }
  /** The environment of a pod of this kind, on the database of this test. */
  const environmentOf = (kind, role) => ({
    ...sourceOf.environment(containers[kind], { database: `postgres://${role}:${PASSWORD}@127.0.0.1:${port}/${DATABASE}` }),
    RISKGATE_PORT: '0',
  })

  before(async () => {
    const pods = podsOf(await objectsOf(INSTALLATIONS.minimal))
    containers = Object.fromEntries(pods.map(({ owner, spec }) => [owner.kind, spec.containers[0]]))
    // riskgate itself brings a PostgreSQL.
    const host = start([], { PATH: process.env.PATH, RISKGATE_STATE_DIR: folder, RISKGATE_PORT: '0' })
    await host.logged()
    port = (await host.logged('embedded PostgreSQL is ready'))['riskgate.port']
    const administrator = connect('riskgate', readFileSync(join(folder, 'postgres.password'), 'utf8').trim(), 'postgres')
    const [, sql] = /```sql\n(create role riskgate_owner[\s\S]*?)```/.exec(readFileSync('docs/operations/kubernetes.md', 'utf8'))
    const statements = sql.replaceAll('…', PASSWORD).replaceAll('database riskgate', `database ${DATABASE}`)
    for (const statement of statements.trim().split(';\n')) await administrator.unsafe(statement)
  })

  after(async () => {
    for (const connection of connections) await connection.end()
    for (const { stop } of processes.toReversed()) await stop()
    rmSync(folder, { recursive: true, force: true })
  })

  it('the Job migrates with its role, and what it makes belongs to the owner, as whom the gateway acts', async () => {
    const job = start(containers.Job.args, environmentOf('Job', 'riskgate_migrations'))
    assert.equal(await job.ended, 0, job.lines.join('\n'))
    const owners = await connect('riskgate_gateway', PASSWORD, DATABASE)`
      select distinct tableowner, current_user::text as gateway from pg_tables where schemaname in ('public', 'drizzle')`
    assert.deepEqual([...owners], [{ tableowner: 'riskgate_owner', gateway: 'riskgate_owner' }])
  })

  it('the gateway answers its probes and Prometheus, and drains at SIGTERM', async () => {
    const env = environmentOf('Deployment', 'riskgate_gateway')
    const gateway = start([], env)
    const url = (await gateway.logged())['riskgate.url'].replace('0.0.0.0', '127.0.0.1')
    const { startupProbe, livenessProbe, readinessProbe } = containers.Deployment
    for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe])
      assert.equal((await fetch(url + httpGet.path)).status, 200)

    const command = start(['key', 'create', '--principal', 'prometheus', '--role', 'TELEMETRY'], env)
    assert.equal(await command.ended, 0)
    const authorization = `Bearer ${command.lines[0]}`
    assert.equal((await fetch(`${url}/metrics`)).status, 401)
    assert.equal((await fetch(`${url}/graphql`, { method: 'POST' })).status, 401)
    const metrics = await (await fetch(`${url}/metrics`, { headers: { authorization } })).text()
    const [rule] = parseYaml(readFileSync('deploy/helm/prometheus-adapter.yaml', 'utf8'))[0].rules.custom
    assert.match(metrics, new RegExp(`^${rule.seriesQuery.split('{')[0]}\\{`, 'm'))

    const stopped = gateway.stop()
    const statuses = () => Promise.all([readinessProbe, livenessProbe].map(({ httpGet }) => fetch(url + httpGet.path)))
    let [ready, alive] = await statuses()
    // The signal arrives a moment after it was sent.
    while (ready.status === 200) [ready, alive] = await statuses()
    assert.deepEqual([ready.status, alive.status], [503, 200])
    assert.equal(await stopped, 0, gateway.lines.join('\n'))
  })
})
