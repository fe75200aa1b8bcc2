// What riskgate does with each parameter of a connection string: those of libpq (chapter 34.1.2 of PostgreSQL's manual), and those that
// other drivers and the consoles of vendors add. docs/operations/database.md lists them for operators.

/** Parameters that say where and how to connect. */
export const READ = [
  'host',
  'port',
  'user',
  'password',
  'dbname',
  'target_session_attrs',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'sslpassword',
  'sslcrl',
  'ssl_min_protocol_version',
  'ssl_max_protocol_version',
  'sslnegotiation',
  'requiressl',
  'ssl',
  'sslaccept',
] as const

/** Parameters that the server gets as the session starts. */
export const OF_THE_SESSION = ['options', 'search_path', 'statement_timeout'] as const

const ANY = /^/

/** Parameters without an effect here: riskgate decides for itself, or they belong to another driver. Each with its harmless values. */
export const IGNORED: Readonly<Record<string, RegExp>> = {
  // riskgate names its sessions, and has deadlines and keepalives of its own.
  application_name: ANY,
  fallback_application_name: ANY,
  connect_timeout: ANY,
  keepalives: ANY,
  keepalives_idle: ANY,
  keepalives_interval: ANY,
  keepalives_count: ANY,
  tcp_user_timeout: ANY,
  // The driver cannot bind a login to its channel: verify-full keeps others out of the channel.
  channel_binding: /^(disable|prefer|require)$/,
  client_encoding: /^(utf-?8|auto)$/i,
  gssencmode: /^(disable|prefer)$/,
  krbsrvname: ANY,
  gsslib: ANY,
  gssdelegation: ANY,
  sslcompression: ANY,
  sslsni: ANY,
  sslcertmode: /^allow$/,
  load_balance_hosts: /^disable$/,
  // Prisma, and the consoles of Supabase and Neon
  pgbouncer: ANY,
  connection_limit: ANY,
  pool_timeout: ANY,
  socket_timeout: ANY,
  statement_cache_size: ANY,
  schema: /^public$/,
  supa: ANY,
  workaround: ANY,
  // node-postgres
  uselibpqcompat: ANY,
  // JDBC
  ApplicationName: ANY,
  connectTimeout: ANY,
  currentSchema: /^public$/,
  loginTimeout: ANY,
  prepareThreshold: ANY,
  preparedStatementCacheQueries: ANY,
  reWriteBatchedInserts: ANY,
  socketTimeout: ANY,
  tcpKeepAlive: ANY,
  targetServerType: /^(any|primary|master)$/,
  // pgx, asyncpg, SQLAlchemy, Rails, Ecto
  pool: ANY,
  pool_size: ANY,
  pool_max_conns: ANY,
  pool_min_conns: ANY,
  pool_max_conn_lifetime: ANY,
  pool_max_conn_idle_time: ANY,
  pool_health_check_period: ANY,
  default_query_exec_mode: ANY,
  statement_cache_capacity: ANY,
  prepared_statement_cache_size: ANY,
  prepared_statements: ANY,
  encoding: /^(utf-?8|unicode)$/i,
}

/** What to do in place of a parameter that riskgate does not follow. */
export const INSTEAD: Readonly<Record<string, string>> = {
  passfile: 'write the password into the URL, or the whole URL into the file of DATABASE_URL_FILE',
  service: 'write what the service holds into the URL',
  servicefile: 'write what the service holds into the URL',
  hostaddr: 'name the host alone',
  require_auth: 'limit the methods of login in pg_hba.conf of the server',
  replication: 'leave it out',
  gssencmode: 'encrypt by TLS: sslmode=verify-full',
  schema: 'the tables are in the schema public: leave it out',
  currentSchema: 'the tables are in the schema public: leave it out',
  load_balance_hosts: 'riskgate writes to the primary: leave it out',
  targetServerType: 'riskgate writes to the primary: leave it out',
  sslcrldir: 'name one file in sslcrl',
}
