import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const SRC = fileURLToPath(new URL('../../src/', import.meta.url))
const READS_CLOCK = /\bDate\.now\b|\bnew Date\(\)|\buuidv7(?:obj)?\(/
/** The folders whose code decides about stored rows: what they are dated, and when they go. */
const FOLDERS = ['storage', 'scoring', 'monitoring', 'resolvers', 'start']

/** Uses that decide nothing about a stored row, or that take the clock of the database into account. */
const HARMLESS: Readonly<Record<string, string>> = {
  'storage/postgres/instants.ts': 'takes the earlier of both clocks',
  'storage/postgres/clockWatch.ts': 'compares both clocks',
  'storage/diagnosis.ts': 'compares both clocks',
  'storage/history/historySources.ts': 'chooses between two indexes with the same rows',
  'storage/statistics/rollupStore.ts': 'chooses between two exact ways to count',
  'storage/embedded/embeddedBinaries.ts': 'removes its own unfinished copy of programs',
  'storage/predictions/rowTrial.ts': 'dates a row that is taken back at once',
  'scoring/predictRisk.ts': 'without another clock, as in tests',
  'monitoring/outcomes.ts': 'without another clock, as in tests',
  'resolvers/apiKeyResolver.ts': 'without another clock, as in tests',
  'start/audit.ts': 'a metric',
  'start/alertFeed.ts': 'a metric',
  'start/reports.ts': 'how often a line is logged',
}

const files = FOLDERS.flatMap(folder =>
  readdirSync(SRC + folder, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => `${folder}/${name}`),
)

it('no code decides about stored rows by the clock of its process, which may be wrong', () => {
  const reading = files.filter(file => READS_CLOCK.test(readFileSync(SRC + file, 'utf8')))
  expect(reading.length).toBeGreaterThan(5)
  expect(reading.sort()).toEqual(Object.keys(HARMLESS).sort())
})
