import postgres, { type Options, type Sql } from 'postgres'
import { type DatabaseAddress, readDatabaseUrl } from '../../databaseUrl/databaseUrl.js'
import { ConfigError } from '../../errors.js'
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
  const ssl = tlsOptions(tls, names)
  return options =>
    postgres({
      ...DEFAULTS,
      ...options,
      connection: { ...options.connection, ...session },
      host: names,
      port: hosts.map(({ port }) => port),
      ...(names[0]?.startsWith('/') && { path: `${names[0]}/.s.PGSQL.${hosts[0]?.port}` }),
      user,
      pass: password,
      database,
      ssl,
      sslnegotiation: tls.isDirect ? 'direct' : null,
      target_session_attrs: mustBePrimary ? 'primary' : undefined,
    } as unknown as DriverOptions)
}
