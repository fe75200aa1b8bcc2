import { describe, expect, it } from 'vitest'
import { type DatabaseAddress, placeOf, readDatabaseUrl } from '../../../src/databaseUrl/databaseUrl.js'

const CANARY = 'hunter2-canary'

function read(url: string): DatabaseAddress {
  const found = readDatabaseUrl(url)
  if ('problems' in found) throw new Error(found.problems.join('; '))
  return found
}

function problems(url: string): readonly string[] {
  const found = readDatabaseUrl(url)
  return 'problems' in found ? found.problems : []
}

const modeOf = (url: string) => read(url).tls.mode

describe('connection strings as vendors print them', () => {
  it.each([
    ['Neon', 'postgresql://u:p@ep-cool-1.eu-central-1.aws.neon.tech/neondb?sslmode=require&channel_binding=require', 'require'],
    ['Neon without SNI', 'postgresql://u:p@ep.neon.tech/neondb?sslmode=require&options=endpoint%3Dep-cool-1', 'require'],
    [
      'Supabase, pooler',
      'postgres://postgres.ref:p@aws-0-eu-central-1.pooler.supabase.com:6543/postgres?pgbouncer=true',
      'prefer',
    ],
    ['Supabase at Vercel', 'postgres://u:p@h:6543/postgres?sslmode=require&supa=base-pooler.x&workaround=x', 'require'],
    [
      'RDS',
      'postgresql://u:p@db.abc.eu-west-1.rds.amazonaws.com:5432/postgres?sslmode=verify-full&sslrootcert=/global-bundle.pem',
      'verify-full',
    ],
    ['Aurora', 'postgres://u:p@c.cluster-abc.eu-west-1.rds.amazonaws.com:5432/d?target_session_attrs=read-write', 'prefer'],
    ['Azure', 'postgresql://u%40tenant:p@srv.postgres.database.azure.com:5432/postgres?sslmode=require', 'require'],
    ['Cloud SQL, socket', 'postgres://u:p@/d?host=/cloudsql/project:region:instance', 'disable'],
    ['Heroku', 'postgres://u:p@ec2-1-2-3-4.compute-1.amazonaws.com:5432/d', 'prefer'],
    [
      'DigitalOcean',
      'postgresql://doadmin:p@db-postgresql-fra1.b.db.ondigitalocean.com:25060/defaultdb?sslmode=require',
      'require',
    ],
    ['Timescale', 'postgres://tsdbadmin:p@x.tsdb.cloud.timescale.com:33333/tsdb?sslmode=require', 'require'],
    [
      'Crunchy',
      'postgres://application:p@p.abc.db.postgresbridge.com:5432/postgres?sslmode=verify-ca&sslrootcert=team.pem',
      'verify-ca',
    ],
    ['Render', 'postgresql://u:p@dpg-abc.frankfurt-postgres.render.com/d', 'prefer'],
    ['Aiven', 'postgres://avnadmin:p@pg.aivencloud.com:12345/defaultdb?sslmode=require', 'require'],
    ['Prisma', 'postgresql://u:p@h/d?schema=public&connection_limit=5&pool_timeout=2&sslaccept=strict', 'verify-full'],
    ['node-postgres', 'postgres://u:p@h/d?ssl=true&uselibpqcompat=true', 'verify-full'],
    [
      'pgx',
      'postgres://u:p@h/d?sslmode=verify-full&sslrootcert=system&pool_max_conns=4&default_query_exec_mode=exec',
      'verify-full',
    ],
    [
      'libpq',
      'postgres://u:p@h/d?requiressl=1&application_name=x&connect_timeout=2&keepalives_idle=3&gssencmode=disable',
      'require',
    ],
  ])('%s', (_vendor, url, mode) => {
    expect(read(url)).toMatchObject({ password: 'p', tls: { mode } })
  })

  it('gives the server what it must get, and names what has no effect', () => {
    const url = 'postgres://u:p@h/d?options=-c%20search_path%3Dx&application_name=a&channel_binding=require&pgbouncer=true'
    expect(read(url)).toMatchObject({
      session: { options: '-c search_path=x' },
      ignored: ['application_name', 'channel_binding', 'pgbouncer'],
    })
  })
})

describe('where a connection string leads', () => {
  it.each([
    ['postgres://u:p@db/d', [{ host: 'db', port: 5432 }]],
    ['postgres://db:6000', [{ host: 'db', port: 6000 }]],
    [
      'postgres://u:p@h1:5432,h2:5433/d',
      [
        { host: 'h1', port: 5432 },
        { host: 'h2', port: 5433 },
      ],
    ],
    [
      'postgres://u:p@[2001:db8::1]:5433,h2/d',
      [
        { host: '2001:db8::1', port: 5433 },
        { host: 'h2', port: 5432 },
      ],
    ],
    [
      'postgres:///d?host=h1,h2&port=1,2',
      [
        { host: 'h1', port: 1 },
        { host: 'h2', port: 2 },
      ],
    ],
    ['postgres:///d?host=::1&port=7', [{ host: '::1', port: 7 }]],
    ['postgres://u@%2Fvar%2Frun%2Fpostgresql/d', [{ host: '/var/run/postgresql', port: 5432 }]],
    ['postgres:///d?host=/var/run/postgresql', [{ host: '/var/run/postgresql', port: 5432 }]],
    ['postgres:///d', [{ host: 'localhost', port: 5432 }]],
  ])('%s', (url, hosts) => {
    expect(read(url).hosts).toEqual(hosts)
    expect(read(url).mustBePrimary).toBe(hosts.length > 1)
  })

  it('writes places without user and password', () => {
    expect(placeOf(read(`postgres://u:${CANARY}@[::1]:1,h2/d`))).toBe('[::1]:1,h2:5432')
  })

  it('decodes user, password and database, and keeps a plus', () => {
    expect(read('postgres://u%40t:p%25%2F%3F%23%3A+%C3%A9@h/my%20db')).toMatchObject({
      user: 'u@t',
      password: 'p%/?#:+é',
      database: 'my db',
    })
    expect(read('postgres://h/a%40b%2Fc')).toMatchObject({ database: 'a@b/c' })
    expect(read('postgres://h/d?user=a&password=b%26c&dbname=e')).toMatchObject({ user: 'a', password: 'b&c', database: 'e' })
    expect(read('postgres://h')).toMatchObject({ user: undefined, password: undefined, database: undefined })
  })

  it('passes over standbys for read-write and primary, and where there are several hosts', () => {
    for (const target of ['read-write', 'primary']) {
      expect(read(`postgres://h/d?target_session_attrs=${target}`).mustBePrimary).toBe(true)
    }
    expect(read('postgres://h/d?target_session_attrs=any').mustBePrimary).toBe(false)
  })
})

describe('the encryption that a connection string demands', () => {
  it.each([
    ['postgres://db.example/d', 'prefer'],
    ['postgres://127.0.0.1/d', 'disable'],
    ['postgres://[::1]/d', 'disable'],
    ['postgres://localhost,db.example/d', 'prefer'],
    ['postgres://h/d?sslmode=allow', 'prefer'],
    ['postgres://h/d?sslmode=require&sslrootcert=/ca.pem', 'verify-ca'],
    ['postgres://h/d?sslrootcert=/ca.pem', 'verify-full'],
    ['postgres://h/d?sslrootcert=system', 'verify-full'],
    ['postgres://h/d?ssl=false', 'disable'],
    ['postgres://h/d?ssl=true&sslmode=require', 'require'],
    ['postgres://h/d?sslaccept=accept_invalid_certs', 'require'],
    ['postgres://127.0.0.1/d?sslmode=verify-full', 'verify-full'],
  ])('%s is %s', (url, mode) => expect(modeOf(url)).toBe(mode))
})

describe('a connection string that riskgate does not follow', () => {
  it.each([
    ['postgres://h/d?sslmode=no-verify', 'has a sslmode that does not exist'],
    ['postgres://h/d?sslmode=VERIFY-FULL', 'has a sslmode that does not exist'],
    ['postgres://h/d?sslmode=', 'has a sslmode that does not exist'],
    ['postgres://h/d?sslmode=require&sslmode=disable', 'has the parameter sslmode twice'],
    ['postgres://h/d?sslmode=disable&ssl=true', 'contradict each other'],
    ['postgres://h/d?sslrootcert=system&sslmode=require', 'needs sslmode=verify-full'],
    ['postgres://h/d?sslrootcert=', 'has an empty sslrootcert'],
    ['postgres://h/d?sslcert=/c.pem&sslmode=require', 'must have sslcert and sslkey together'],
    ['postgres://h/d?sslcert=/c.pem&sslkey=/k.pem', 'needs a sslmode of require'],
    ['postgres://h/d?ssl=maybe', 'has a ssl other than true and false'],
    ['postgres://h/d?sslnegotiation=direct', 'has sslnegotiation=direct, which needs'],
    ['postgres://h/d?ssl_min_protocol_version=SSLv3', 'has a ssl_min_protocol_version other than'],
    ['postgres://h/d?channel_binding=on', 'has a value of channel_binding'],
    ['postgres://h/d?gssencmode=require', 'has the parameter gssencmode with a value'],
    ['postgres://h/d?target_session_attrs=read-only', 'has a target_session_attrs other than'],
    ['postgres://h/d?load_balance_hosts=random', 'has the parameter load_balance_hosts with a value'],
    ['postgres://h/d?passfile=/p', 'has the parameter passfile that riskgate does not follow'],
    ['postgres://h/d?service=x', 'has the parameter service that riskgate does not follow'],
    ['postgres://h/d?schema=risk', 'has the parameter schema with a value that riskgate does not follow'],
    ['postgres://h/d?client_encoding=LATIN1', 'has a value of client_encoding'],
    ['postgres://h/d?sslmoode=require', 'has the parameter sslmoode, which riskgate does not know'],
    ['postgres://h/d?SSLMODE=require', 'has the parameter SSLMODE, which riskgate does not know'],
    ['postgres://h1,h2/d?port=1,2,3', 'has a list in port that does not fit its hosts'],
    ['postgres://h:99999/d', 'must be a URL with names of hosts and their ports'],
    ['jdbc:postgresql://h/d', 'the form of JDBC'],
    ['postgresql+asyncpg://u:p@h/d', 'leave out the name of the driver'],
    ['host=h dbname=d', 'the form of words'],
  ])('%s', (url, problem) => {
    expect(problems(url)).toEqual([expect.stringContaining(problem)])
  })

  it.each([
    'postgres://app:pw@db.example.com:54x2/risk',
    'postgres://app:pw@db.example.com:5432:5433/risk',
    'postgres://app:pw@db.example.com:-1/risk',
    'postgres://app:pw@[::1:5432/risk',
    'postgres://app:pw@[]:5432/risk',
    'postgres://app:pw@[::1]x/risk',
    'postgres://app:pw@2001:db8::5:5432/risk',
    'postgres://app:pw@a:1,b:x/risk',
    'postgres://app:pw@d]b/risk',
    'postgres://app:pw/word@db.example.com/risk',
    'postgres://app:1234/rest@db.example.com',
    'postgres://app:1234/rest@db.example.com/risk',
    'postgres://app:pw@db.example.com/risk/more',
  ])('%s: no other host gets its password', url => {
    expect(problems(url)).toEqual([expect.stringContaining('must be a URL with names of hosts and their ports')])
  })

  it('tells every problem at once', () => {
    expect(problems('postgres://h/d?sslmode=x&passfile=/p&foo=1')).toHaveLength(3)
  })

  it.each([
    `postgres://u:${CANARY}%@h/d`,
    `postgres://u:${CANARY}#x@h/d`,
    `postgres://u:1?${CANARY.replace('-', '')}@h/d?sslmode=require`,
    `postgres://u:12?${CANARY.replace('2-', '')}&b@h/d`,
    `postgres://u:${CANARY}/x@h/d?sslmode=nothing`,
    `postgres://u:p@h/d?password=${CANARY}&password=${CANARY}`,
    `postgres://u:p@h/d?sslmode=${CANARY}&ssl=${CANARY}&channel_binding=${CANARY}&schema=${CANARY}&port=${CANARY}`,
    `postgresql+x://u:${CANARY}@h/d`,
    `host=h password=${CANARY}`,
  ])('never repeats a value: %#', url => {
    const found = problems(url)
    expect(found.length).toBeGreaterThan(0)
    expect(found.join()).not.toMatch(/hunter/i)
  })
})
