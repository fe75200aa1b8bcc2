import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

// Only what a machine can tell; the rest is in CONTRIBUTING.md.
const OPENS_WITH_OF = /(?:^|[.!?:|]\s+|(?:\/\/|\*|description: ['"`])\s*)Of [a-z]/
const HARD_WORDS = /\b(?:whoever|whomever|reckon(?:s|ed)?|mend(?:s|ed)?|untold)\b/i

const SOURCE = ['src', 'web/playground']
const TESTS = ['unit', 'api', 'integration', 'security', 'faults', 'support'].map(folder => `test/${folder}`)

/** Lines of the files in a folder with one of these endings. */
function hardLines(folders: readonly string[], ending: RegExp): string[] {
  const files = folders.flatMap(folder =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter(file => ending.test(file))
      .map(file => `${folder}/${file}`),
  )
  expect(files.length).toBeGreaterThan(5)
  return files.flatMap(file =>
    readFileSync(file, 'utf8')
      .split('\n')
      .flatMap((line, i) => (OPENS_WITH_OF.test(line) || HARD_WORDS.test(line) ? [`${file}:${i + 1}: ${line.trim()}`] : [])),
  )
}

it('no sentence of the source and the tests opens with "Of" or has a word that slows a reader', () => {
  expect(hardLines([...SOURCE, ...TESTS], /\.tsx?$/)).toEqual([])
})

it('no sentence of the documentation does', () => {
  expect(hardLines(['docs', 'bench'], /\.md$/)).toEqual([])
})

it.each(['// Of an id that nobody had nothing is remembered.', ' * Kept. Of the others none is.', '| Mend the client. |'])(
  'finds %s',
  line => {
    expect(OPENS_WITH_OF.test(line) || HARD_WORDS.test(line)).toBe(true)
  },
)
