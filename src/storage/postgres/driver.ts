import type { Socket } from 'node:net'
import postgres, { type Options, type Sql } from 'postgres'
import { type DatabaseAddress, type DatabaseHost, readDatabaseUrl } from '../../databaseUrl/databaseUrl.js'
import { ConfigError } from '../../errors.js'
import { primarySocket } from './primarySocket.js'
import { tlsOptions } from './tlsOptions.js'

type DriverOptions = Options<Record<string, never>>

/** Opens a driver for the database of a connection string. */
export type OpenDriver = (options: DriverOptions) => Sql

// Otherwise the driver takes what is missing from variables of the process, such as PGSSL, PGMAX and PGPREPARE.
const DEFAULTS = {
  max: 10,
  idle_timeout: null,
  connect_timeout: 30,
  max_pipeline: 100,
  keep_alive: 60,
  prepare: true,
  debug: false,
  fetch_types: true,
  publications: 'alltables',
}

// A question to one host, whether it is the primary.
const ASKING = {
  max: 1,
  connect_timeout: 1,
  fetch_types: false,
  prepare: false,
  connection: { application_name: 'riskgate:ask' },
  onnotice: () => {},
}

/** Opens one session for work that belongs to the owner of the tables. `name` is what pg_stat_activity shows. */
export function openOwnersSession(url: string, name: string): Sql {
  return driverOf(url)({
    max: 1,
    max_lifetime: null,
    connect_timeout: 5,
    fetch_types: false,
    prepare: false,
    connection: { application_name: name },
    onnotice: () => {},
  })
}

/** What a connection string says. @throws ConfigError where it cannot be used */
export function addressOf(url: string): DatabaseAddress {
  const address = readDatabaseUrl(url)
  if ('problems' in address) throw new ConfigError(address.problems.map(problem => `DATABASE_URL ${problem}.`))
  return address
}

/** Reads a connection string and its files once, for all drivers that are opened with it. @throws ConfigError where it cannot be used */
export function driverOf(url: string): OpenDriver {
  const { hosts, user, password, database, tls, mustBePrimary, session } = addressOf(url)
  const names = hosts.map(({ host }) => host)
  const [first] = hosts as readonly [DatabaseHost]
  const ssl = tlsOptions(tls, names)
  const open = (options: DriverOptions, { host, port }: DatabaseHost, socket?: () => Promise<Socket>) =>
    postgres({
      ...DEFAULTS,
      ...options,
      connection: { ...options.connection, ...session },
      host,
      port,
      user,
      pass: password,
      database,
      ssl,
      sslnegotiation: tls.isDirect ? 'direct' : null,
      socket,
    } as unknown as DriverOptions)
  if (!mustBePrimary) return options => open(options, first)
  const socket = primarySocket(hosts, host => open(ASKING, host))
  return options => open(options, first, socket)
}
