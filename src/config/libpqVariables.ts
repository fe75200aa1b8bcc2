// The environment of libpq, as far as riskgate follows it: what DATABASE_URL leaves out may be there.
const VARIABLES = {
  PGHOST: 'host',
  PGPORT: 'port',
  PGUSER: 'user',
  PGPASSWORD: 'password',
  PGDATABASE: 'dbname',
  PGOPTIONS: 'options',
  PGTARGETSESSIONATTRS: 'target_session_attrs',
  PGSSLMODE: 'sslmode',
  PGSSLROOTCERT: 'sslrootcert',
  PGSSLCERT: 'sslcert',
  PGSSLKEY: 'sslkey',
  PGSSLCRL: 'sslcrl',
  PGSSLNEGOTIATION: 'sslnegotiation',
  PGSSLMINPROTOCOLVERSION: 'ssl_min_protocol_version',
  PGSSLMAXPROTOCOLVERSION: 'ssl_max_protocol_version',
} as const

/** The connection string with what only the environment says. */
export function withLibpqVariables(url: string, variables: Readonly<Record<string, string | undefined>>): string {
  const [, authority = '', path = '', query = ''] = /^[^:]*:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?/.exec(url) ?? []
  const user = authority.slice(0, Math.max(authority.lastIndexOf('@'), 0))
  const said: Record<string, boolean> = {
    host: authority.slice(authority.lastIndexOf('@') + 1) !== '',
    port: /:\d+(,|$)/.test(authority.slice(authority.lastIndexOf('@') + 1)),
    user: user.split(':')[0] !== '',
    password: user.includes(':'),
    dbname: path !== '',
  }
  for (const pair of query.split('&')) said[pair.split('=')[0] ?? ''] = true
  const missing = Object.entries(VARIABLES).flatMap(([variable, name]) => {
    const value = variables[variable]
    return value === undefined || said[name] ? [] : `${name}=${encodeURIComponent(value)}`
  })
  if (missing.length === 0) return url
  return `${url}${url.includes('?') ? '&' : '?'}${missing.join('&')}`
}
