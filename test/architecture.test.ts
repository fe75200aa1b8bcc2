import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { DEPENDS_ON_TODAY, LONGEST, QUICK } from './fileLists.mjs'
import { FLOORS, importsOf, type Sources, violationsIn } from './unit/support/importRules.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

function sourcesOf(folder: string): Sources {
  const files = readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: 'utf8' })
    .map(file => `${folder}/${file.replaceAll('\\', '/')}`)
    .filter(file => file.endsWith('.ts'))
  return Object.fromEntries(files.map(file => [file, readFileSync(`${ROOT}${file}`, 'utf8')]))
}

describe('the architecture', () => {
  const sources = sourcesOf('src')

  it('is kept: imports go down only, each package has its folders, no cycles, no barrels, no long files', () => {
    expect(violationsIn(sources)).toEqual([])
  })

  it('is checked on all source files and all their imports', () => {
    expect(Object.keys(sources).length).toBeGreaterThan(50)
    const imported = Object.values(sources).flatMap(importsOf)
    expect(imported).toEqual(
      expect.arrayContaining(['onnxruntime-node', 'drizzle-orm', 'postgres', 'ioredis', 'reflect-metadata']),
    )
    const statements =
      Object.values(sources)
        .join('\n')
        .match(/^import .*$/gm) ?? []
    expect(imported.length).toBeGreaterThanOrEqual(statements.length)
  })
})

it('docs/architecture.md shows the floors as they are checked', () => {
  const page = readFileSync(`${ROOT}docs/architecture.md`, 'utf8')
  const shown = [...page.matchAll(/^(\w+) +-> (.+)$/gm)].map(([, floor, below = '']) => [floor, below.split(', ')])
  expect(shown).toEqual(Object.entries(FLOORS).filter(([, below]) => below.length > 0))
})

it('the test files that scripts name exist', () => {
  expect([...QUICK, ...LONGEST, ...DEPENDS_ON_TODAY].filter(file => !existsSync(`${ROOT}${file}`))).toEqual([])
})

/** A small source tree that breaks no rule. */
const GOOD: Sources = {
  'src/main.ts': "const { serve } = await import('./commands/serve.js')\n",
  'src/commands/serve.ts': "import { createApp } from '../app.js'\n",
  'src/app.ts': "import 'reflect-metadata'\nimport { startServer } from './start/server.js'\n",
  'src/start/server.ts':
    "import { Store } from '../storage/store.js'\nimport { serve } from '../server/http.js'\nexport function startServer() {}\n",
  'src/config/config.ts': 'export const { HOME } = process.env\n',
  'src/errors.ts': 'export const CODES = {}\n',
  'src/server/http.ts': "import { Resolver } from '../resolvers/resolver.js'\nexport function serve() {}\n",
  'src/resolvers/resolver.ts': "import type { Store } from '../storage/store.js'\nexport class Resolver {}\n",
  'src/storage/store.ts':
    "import postgres from 'postgres'\nimport type { Port } from '../scoring/port.js'\nexport class Store {}\n",
  'src/storage/alerts/alertStore.ts': "import { Entries } from '../audit/auditEntries.js'\nexport class AlertStore {}\n",
  'src/storage/audit/auditEntries.ts': 'export class Entries {}\n',
  'src/monitoring/outcomes.ts': 'export interface OutcomeRecorder {}\n',
  'src/storage/outcomeStore.ts': "import type { OutcomeRecorder } from '../monitoring/outcomes.js'\n",
  'src/scoring/port.ts': "import { CODES } from '../errors.js'\nexport interface Port {}\n",
  'src/scoring/model.ts': "import { Tensor } from 'onnxruntime-node'\n",
  'src/cache/cache.ts': "import { Redis } from 'ioredis'\nimport type { PointLimiter } from '../server/limits/pointLimiter.js'\n",
  'src/server/limits/pointLimiter.ts': 'export interface PointLimiter {}\n',
  'src/server/operations/gate.ts':
    "import type { PointLimiter } from '../limits/pointLimiter.js'\nimport { statusOf } from '../formatError.js'\nexport class Gate {}\n",
  'src/server/formatError.ts': 'export function statusOf() {}\n',
}

describe('the check of the architecture', () => {
  it('finds nothing in a source tree that breaks no rule', () => {
    expect(violationsIn(GOOD)).toEqual([])
  })

  it.each<[string, string, string, string]>([
    [
      'an import that goes up',
      'src/scoring/up.ts',
      "import { Store } from '../storage/store.js'",
      'src/storage/store.ts, which is not below',
    ],
    [
      'an import of a type that goes up',
      'src/scoring/up.ts',
      "import type { Store } from '../storage/store.js'",
      'which is not below',
    ],
    [
      'an import over several lines',
      'src/scoring/up.ts',
      "import {\n  type Store,\n} from '../storage/store.js'",
      'which is not below',
    ],
    ['a re-export', 'src/scoring/up.ts', "export { Store } from '../storage/store.js'", 'which is not below'],
    ['a re-export of everything', 'src/scoring/up.ts', "export * from '../storage/store.js'", 'which is not below'],
    ['an import for its effects', 'src/scoring/up.ts', "import '../storage/store.js'", 'which is not below'],
    ['a dynamic import', 'src/scoring/up.ts', "const { Store } = await import('../storage/store.js')", 'which is not below'],
    ['a type of a dynamic import', 'src/scoring/up.ts', "type Store = import('../storage/store.js').Store", 'which is not below'],
    [
      'an import behind a comment',
      'src/scoring/up.ts',
      "/* down */ import { Store } from '../storage/store.js' // up",
      'which is not below',
    ],
    ['an import of the app', 'src/scoring/up.ts', "import '../app.js'", 'which is not below'],
    ['an import of a command by the app', 'src/start/up.ts', "import '../commands/serve.js'", 'which is not below'],
    ['an import of the configuration', 'src/server/up.ts', "import { HOME } from '../config/config.js'", 'which is not below'],
    ['an import of a floor beside', 'src/cache/beside.ts', "import { Store } from '../storage/store.js'", 'which is not below'],
    [
      'an import of a port by a floor that does not implement it',
      'src/storage/limiter.ts',
      "import type { PointLimiter } from '../server/limits/pointLimiter.js'",
      'which is not below',
    ],
    [
      'an import of more than the types of a port by the storage',
      'src/storage/outcomes.ts',
      "import { RecordOutcomes } from '../monitoring/outcomes.js'",
      'which is not below',
    ],
    [
      'an import from the storage by the server',
      'src/server/past.ts',
      "import { Store } from '../storage/store.js'",
      'which is not below',
    ],
    ['an import of a missing file', 'src/scoring/gone.ts', "import { gone } from './nowhere.js'", 'which does not exist'],
    [
      'ONNX Runtime in a second file',
      'src/scoring/second.ts',
      "import type { Tensor } from 'onnxruntime-node'",
      'only one file may',
    ],
    ['ONNX Runtime elsewhere', 'src/releases/load.ts', "import { Tensor } from 'onnxruntime-node'", 'imports onnxruntime-node'],
    ['the table library elsewhere', 'src/resolvers/sql.ts', "import { eq } from 'drizzle-orm/pg-core'", 'imports drizzle-orm'],
    ['the database driver elsewhere', 'src/app/../releases/sql.ts', "import postgres from 'postgres'", 'imports postgres'],
    ['the Redis client elsewhere', 'src/storage/redis.ts', "import { Redis } from 'ioredis'", 'imports ioredis'],
    ['the environment elsewhere', 'src/server/env.ts', 'const { HOME } = process.env', 'reads process.env'],
    ['the environment by a quoted name', 'src/server/env.ts', "const home = process['env'].HOME", 'reads process.env'],
    ['the environment by destructuring', 'src/server/env.ts', 'const { env } = process', 'reads process.env'],
    [
      'an import by a room of the storage from a room above it',
      'src/storage/audit/up.ts',
      "import { AlertStore } from '../alerts/alertStore.js'",
      'src/storage/alerts/alertStore.ts, which is not below',
    ],
    [
      'an import by a room of the storage from a file outside the rooms',
      'src/storage/audit/up.ts',
      "import { Store } from '../store.js'",
      'src/storage/store.ts, which is not below',
    ],
    ['a storage folder that is not a room', 'src/storage/utils/text.ts', 'export const a = 1', 'utils is not a room of storage'],
    [
      'an import by a room of the server from a room above it',
      'src/server/limits/up.ts',
      "import { Gate } from '../operations/gate.js'",
      'src/server/operations/gate.ts, which is not below',
    ],
    ['a barrel', 'src/scoring/index.ts', 'export const a = 1', 'is a barrel'],
    ['a folder that is not a floor', 'src/utils/text.ts', 'export const a = 1', 'utils is not a floor'],
    ['a long file', 'src/scoring/long.ts', '\n'.repeat(300), 'more than 300 lines'],
    ['a file that imports itself', 'src/scoring/self.ts', "import type { Self } from './self.js'", 'is a cycle'],
  ])('finds %s', (_what, file, text, violation) => {
    const path = file.replace('app/../', '')
    expect(violationsIn({ ...GOOD, [path]: `${text}\n` }).join('\n')).toContain(violation)
  })

  it('finds a cycle over several files, and names the files', () => {
    const cycle = {
      'src/scoring/a.ts': "import { b } from './b.js'\n",
      'src/scoring/b.ts': "import type { C } from './deep/c.js'\n",
      'src/scoring/deep/c.ts': "export { a } from '../a.js'\n",
    }
    expect(violationsIn({ ...GOOD, ...cycle })).toEqual([
      'src/scoring/a.ts -> src/scoring/b.ts -> src/scoring/deep/c.ts -> src/scoring/a.ts is a cycle',
    ])
  })

  it('ignores imports in comments', () => {
    const text = "// import '../app.js'\n/** import { a } from '../app.js' */\nexport const a = 1\n"
    expect(violationsIn({ ...GOOD, 'src/scoring/comment.ts': text })).toEqual([])
  })
})
