import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

// Only what a machine can tell; the rest is in CONTRIBUTING.md.
const OPENS_WITH_OF = /(?:^|[.!?:|]\s+|(?:\/\/|\*|description: ['"`])\s*)Of [a-z]/
const HARD_WORDS = /\b(?:whoever|whomever|reckon(?:s|ed)?|mend(?:s|ed)?|untold)\b/i

const SOURCE = ['src', 'web', 'test', 'bench', 'demo', 'deploy'].flatMap(folder => filesIn(folder, /\.(?:tsx?|mjs)$/))
const DOCUMENTATION = [...['docs', 'bench', 'training'].flatMap(folder => filesIn(folder, /\.md$/)), ...filesIn('.', /^\w+\.md$/)]
const THIS = 'test/language.test.ts'

function filesIn(folder: string, ending: RegExp): string[] {
  return readdirSync(folder, { recursive: folder !== '.', encoding: 'utf8' })
    .filter(file => ending.test(file))
    .map(file => `${folder}/${file}`)
}

function hardLines(files: readonly string[]): string[] {
  return files.flatMap(file =>
    readFileSync(file, 'utf8')
      .split('\n')
      .flatMap((line, i) => (OPENS_WITH_OF.test(line) || HARD_WORDS.test(line) ? [`${file}:${i + 1}: ${line.trim()}`] : [])),
  )
}

it('no sentence of the source and the tests opens with "Of" or has a word that slows a reader', () => {
  expect(SOURCE).toEqual(expect.arrayContaining([THIS, 'src/main.ts', 'test/days/clock.mjs', 'bench/run.mjs']))
  expect(hardLines(SOURCE.filter(file => file !== THIS))).toEqual([])
})

it('no sentence of the documentation does', () => {
  expect(DOCUMENTATION).toEqual(expect.arrayContaining(['./README.md', './CHANGELOG.md', 'docs/guide.md', 'bench/RESULTS.md']))
  expect(hardLines(DOCUMENTATION)).toEqual([])
})

it.each(['// Of an id that nobody had nothing is remembered.', ' * Kept. Of the others none is.', '| Mend the client. |'])(
  'finds %s',
  line => {
    expect(OPENS_WITH_OF.test(line) || HARD_WORDS.test(line)).toBe(true)
  },
)
