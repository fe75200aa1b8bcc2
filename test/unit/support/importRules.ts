import { dirname, join } from 'node:path/posix'

/** Source texts by their path from the root of the project, such as src/scoring/bands.ts. */
export type Sources = Readonly<Record<string, string>>

// Matches `import … from`, `export … from`, `import '…'` and `import('…')`; `import type` counts too.
const IMPORT = /(?:\b(?:import|export)\b[^'"`;]*?\bfrom\s*|\bimport\s*\(?\s*)(['"`])([^'"`\n]+)\1/g

const MAX_LINES = 300

/** The floors from which the files of a floor may import, besides their own. */
export const FLOORS: Readonly<Record<string, readonly string[]>> = {
  main: ['commands', 'observability', 'auth', 'errors'],
  commands: [
    'app',
    'start',
    'config',
    'server',
    'resolvers',
    'schema',
    'storage',
    'cache',
    'releases',
    'scoring',
    'auth',
    'databaseUrl',
    'errors',
  ],
  app: ['start', 'config', 'observability', 'releases', 'storage', 'auth'],
  start: [
    'config',
    'observability',
    'server',
    'resolvers',
    'schema',
    'releases',
    'monitoring',
    'storage',
    'cache',
    'webhooks',
    'alerts',
    'scoring',
    'auth',
    'databaseUrl',
    'errors',
    'tracer',
  ],
  config: ['databaseUrl', 'webhooks', 'auth', 'errors'],
  server: ['resolvers', 'schema', 'auth', 'alerts', 'scoring', 'observability', 'errors', 'tracer'],
  resolvers: ['schema', 'storage', 'releases', 'monitoring', 'webhooks', 'alerts', 'scoring', 'auth', 'errors'],
  schema: ['webhooks', 'scoring', 'auth'],
  storage: ['databaseUrl', 'scoring', 'concurrency', 'auth', 'errors', 'tracer'],
  cache: ['scoring', 'auth', 'errors'],
  webhooks: ['alerts', 'scoring', 'auth', 'errors', 'tracer'],
  alerts: ['scoring', 'concurrency', 'auth', 'errors'],
  releases: ['scoring', 'concurrency', 'auth', 'errors', 'tracer'],
  monitoring: ['scoring', 'auth', 'errors'],
  observability: ['errors', 'tracer'],
  scoring: ['concurrency', 'auth', 'errors', 'tracer'],
  auth: ['concurrency', 'errors'],
  concurrency: ['tracer'],
  databaseUrl: [],
  errors: [],
  tracer: [],
}

/** The rooms of three floors, and the rooms of the same floor that each may import. */
const ROOMS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  storage: {
    webhooks: ['alerts', 'predictions', 'audit', 'postgres', 'tables'],
    alerts: ['predictions', 'audit', 'postgres', 'tables'],
    history: ['predictions', 'postgres', 'tables'],
    predictions: ['statistics', 'audit', 'postgres', 'tables'],
    apiKeys: ['audit', 'postgres', 'tables'],
    releases: ['audit', 'postgres', 'tables'],
    audit: ['postgres', 'tables'],
    statistics: ['postgres', 'tables'],
    embedded: ['postgres'],
    postgres: [],
    tables: [],
  },
  releases: {
    mlflow: ['init', 'intake', 'rollout', 'files'],
    folder: ['intake', 'rollout', 'admission', 'files'],
    shadow: ['serving'],
    serving: ['intake', 'rollout', 'admission', 'files'],
    intake: ['rollout', 'admission'],
    rollout: ['admission'],
    admission: ['files'],
    init: ['files'],
    files: [],
  },
  server: {
    rest: ['graphql', 'operations', 'limits'],
    graphql: ['operations', 'limits'],
    streams: ['operations', 'limits', 'transport'],
    operations: ['limits'],
    limits: [],
    transport: [],
  },
}

/** Files beside the rooms of a floor that every room of it may import; the others beside them put the rooms together. */
const HALLS: Readonly<Record<string, readonly string[]>> = {
  server: [
    'src/server/access.ts',
    'src/server/formatError.ts',
    'src/server/forwarded.ts',
    'src/server/problem.ts',
    'src/server/requestNames.ts',
    'src/server/requests.ts',
  ],
}

/** Files of ports with the floor that implements each: it may import their types, although they are not below it. */
const PORTS: Readonly<Record<string, string>> = {
  'src/alerts/alertLog.ts': 'storage',
  'src/webhooks/createWebhook.ts': 'storage',
  'src/webhooks/webhookOutbox.ts': 'storage',
  'src/monitoring/outcomes.ts': 'storage',
  'src/monitoring/riskSummary.ts': 'storage',
  'src/monitoring/versionComparison.ts': 'storage',
  'src/releases/rollout/releaseChange.ts': 'storage',
  'src/releases/rollout/rollout.ts': 'storage',
  'src/releases/rollout/rolloutStore.ts': 'storage',
  'src/releases/rollout/versionStore.ts': 'storage',
  'src/releases/shadow/shadowLog.ts': 'storage',
  'src/server/limits/pointLimiter.ts': 'cache',
}

/** Packages that are reserved for these floors. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  'onnxruntime-node': ['scoring'],
  'drizzle-orm': ['storage'],
  postgres: ['storage'],
  ioredis: ['cache', 'alerts'],
  '@opentelemetry/api': ['observability'],
  '@opentelemetry/exporter-trace-otlp-proto': ['observability'],
  '@opentelemetry/resources': ['observability'],
  '@opentelemetry/sdk-trace': ['observability'],
}

const IN_ONE_FILE = ['onnxruntime-node', '@opentelemetry']

/** All violations of the architecture in a set of source files; each sentence names its file. */
export function violationsIn(sources: Sources): string[] {
  return [
    ...Object.entries(sources).flatMap(([file, text]) => [...inFile(file, text, sources)]),
    ...scattered(sources),
    ...cyclesIn(sources),
  ]
}

export function importsOf(text: string): string[] {
  return [...withoutComments(text).matchAll(IMPORT)].map(([, , specifier]) => specifier ?? '')
}

function* inFile(file: string, text: string, sources: Sources): Generator<string> {
  const floor = floorOf(file)
  const below = FLOORS[floor]
  if (!below) yield `${file}: ${floor} is not a floor of the architecture`
  const room = roomOf(file)
  if (room !== undefined && !ROOMS[floor]?.[room]) yield `${file}: ${room} is not a room of ${floor}`
  if (/(^|\/)index\.ts$/.test(file)) yield `${file} is a barrel`
  if (text.split('\n').length - 1 > MAX_LINES) yield `${file} has more than ${MAX_LINES} lines`
  if (floor !== 'config' && /\bprocess\s*(\?\.|\.|\[\s*['"])\s*env\b|\benv\b[^=\n]*=\s*process\b/.test(withoutComments(text))) {
    yield `${file} reads process.env`
  }
  for (const specifier of importsOf(text)) {
    const target = targetOf(file, specifier)
    if (target === undefined) {
      const name = packageOf(specifier)
      if (PACKAGES[name]?.includes(floor) === false) yield `${file} imports ${name}`
    } else if (!(target in sources)) yield `${file} imports ${specifier}, which does not exist`
    else if (PORTS[target] === floor && importsTypesAlone(text, specifier)) continue
    else if (floorOf(target) !== floor ? !mayImport(below, floorOf(target)) : isRoomAbove(file, target)) {
      yield `${file} imports ${target}, which is not below it`
    }
  }
}

function mayImport(below: readonly string[] | undefined, floor: string): boolean {
  return below?.includes(floor) ?? false
}

/** Whether an import within a floor goes to a room that the importing one may not know. */
function isRoomAbove(file: string, target: string): boolean {
  const [floor, from, to] = [floorOf(file), roomOf(file), roomOf(target)]
  if (from === undefined || from === to || HALLS[floor]?.includes(target)) return false
  return !ROOMS[floor]?.[from]?.includes(to ?? '')
}

/** Packages that more than one file imports, although only one may. */
function scattered(sources: Sources): string[] {
  return IN_ONE_FILE.flatMap(name => {
    const files = Object.keys(sources).filter(file =>
      importsOf(sources[file] ?? '').some(imported => imported === name || imported.startsWith(`${name}/`)),
    )
    return files.length > 1 ? [`${files.join(' and ')} import ${name}: only one file may`] : []
  })
}

function cyclesIn(sources: Sources): string[] {
  const cycles: string[] = []
  const done = new Set<string>()
  function visit(file: string, way: readonly string[]): void {
    const from = way.indexOf(file)
    if (from !== -1) cycles.push(`${[...way.slice(from), file].join(' -> ')} is a cycle`)
    if (from !== -1 || done.has(file)) return
    for (const specifier of importsOf(sources[file] ?? '')) {
      const target = targetOf(file, specifier)
      if (target !== undefined && target in sources) visit(target, [...way, file])
    }
    done.add(file)
  }
  for (const file of Object.keys(sources)) visit(file, [])
  return cycles
}

function importsTypesAlone(text: string, specifier: string): boolean {
  const lines = withoutComments(text)
    .split('\n')
    .filter(line => line.includes(`'${specifier}'`))
  return lines.every(line => line.startsWith('import type '))
}

/** `scoring` for src/scoring/bands.ts, `app` for src/app.ts. */
function floorOf(file: string): string {
  return file.split('/')[1]?.replace(/\.ts$/, '') ?? ''
}

/** `audit` for src/storage/audit/auditReader.ts; undefined on a floor without rooms, and for a file beside them. */
function roomOf(file: string): string | undefined {
  const [, floor = '', room, name] = file.split('/')
  return ROOMS[floor] && name !== undefined ? room : undefined
}

/** The file that a relative import leads to; undefined for a package. */
function targetOf(file: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? join(dirname(file), specifier).replace(/\.js$/, '.ts') : undefined
}

function packageOf(specifier: string): string {
  const [scope = '', name = ''] = specifier.split('/')
  return scope.startsWith('@') ? `${scope}/${name}` : scope
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}
