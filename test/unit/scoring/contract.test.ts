import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { contractSchema } from '../../../src/scoring/contract.js'
import { contractJson } from '../support/domain.js'

type Json = ReturnType<typeof contractJson>

/** The problems of a valid contract after one change, each as `path message`. */
function problemsAfter(change: (json: Json) => unknown): string[] {
  const json = contractJson()
  const changed = change(json)
  const { error } = contractSchema.safeParse(changed ?? json)
  return error?.issues.map(({ path, message }) => `${path.join('.')} ${message}`) ?? []
}

describe('a contract', () => {
  it('with one feature of every kind is accepted', () => {
    expect(problemsAfter(() => undefined)).toEqual([])
  })

  it('of the bundled model is accepted', () => {
    const file = new URL('../../../models/consumer-credit/contract.json', import.meta.url)
    const { features } = contractSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
    expect(features).toHaveLength(11)
  })

  it.each<[string, (json: Json) => unknown, RegExp]>([
    ['a name that is not kebab-case', json => Object.assign(json, { name: 'Test Model' }), /^name must be a kebab-case name$/],
    [
      'an input field that is not a GraphQL name',
      json => Object.assign(json, { inputField: 'test-model' }),
      /^inputField must be a camelCase/,
    ],
    ['an input field with reserved underscores', json => Object.assign(json, { inputField: '__input' }), /^inputField must be/],
    [
      'a feature that is not a GraphQL name',
      json => Object.assign(json.features[0] ?? {}, { name: '1st' }) && json,
      /^features\.0\.name must be/,
    ],
    [
      'a feature of an unknown kind',
      json => Object.assign(json.features[1] ?? {}, { kind: 'DATE' }) && json,
      /^features\.1\.kind /,
    ],
    [
      'a feature with the name of a property that every object has',
      json => Object.assign(json.features[1] ?? {}, { name: 'constructor' }) && json,
      /^features\.1\.name must not be a name that every object has$/,
    ],
    ['no features', json => Object.assign(json, { features: [] }), /^features /],
    [
      'two features of one name',
      json => Object.assign(json.features[1] ?? {}, { name: 'amount' }) && json,
      /^features must not have two features of the same name$/,
    ],
    [
      'a category without categories',
      json => Object.assign(json.features[4] ?? {}, { categories: [] }) && json,
      /^features\.4\.categories /,
    ],
    [
      'a minimum that is a text',
      json => Object.assign(json.features[0] ?? {}, { minimum: '1' }) && json,
      /^features\.0\.minimum /,
    ],
    [
      'categories on a number',
      json => Object.assign(json.features[0] ?? {}, { categories: ['A'] }) && json,
      /^features\.0 .*categories/,
    ],
    ['a misspelt key', json => Object.assign(json.features[0] ?? {}, { maximun: 5 }) && json, /^features\.0 .*maximun/],
    ['a description without English', json => Object.assign(json, { description: { es: 'solo' } }), /^description\.en /],
    [
      'a feature that does not say whether it is required',
      json => Object.assign(json.features[3] ?? {}, { required: undefined }) && json,
      /^features\.3\.required /,
    ],
    [
      'a minimum above its maximum',
      json => Object.assign(json.features[0] ?? {}, { minimum: 2, maximum: 1 }) && json,
      /^features\.0 has a minimum above its maximum$/,
    ],
    [
      'a category twice',
      json => Object.assign(json.features[4] ?? {}, { categories: ['A', 'A'] }) && json,
      /^features\.4\.categories must not hold a category twice$/,
    ],
    [
      'a category in two spellings',
      json => Object.assign(json.features[4] ?? {}, { categories: ['Espa\u00f1a', 'Espan\u0303a'] }) && json,
      /^features\.4\.categories must not hold a category twice$/,
    ],
    ['an input field whose type is taken', json => Object.assign(json, { inputField: 'model' }), /^inputField is taken$/],
    ['a text instead of an object', () => 'contract', /^ /],
  ])('with %s names its problem', (_what, change, problem) => {
    const problems = problemsAfter(change)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(problem)
  })

  it('names all its problems at once', () => {
    const problems = problemsAfter(json => Object.assign(json, { name: '', inputField: '', description: {} }))
    expect(problems.map(problem => problem.split(' ')[0])).toEqual(['name', 'inputField', 'description.en'])
  })
})

it('a text that is left out is the name, and a language that is left out is English', () => {
  const json = contractJson()
  const { description: _, ...without } = json
  const [first, second, ...others] = json.features
  const { description: __, ...nameless } = first as (typeof json.features)[number]
  const features = [nameless, { ...second, description: 'Loans' }, ...others]
  const parsed = contractSchema.parse({ ...without, features })
  expect(parsed.description).toEqual({ en: 'test-model', es: 'test-model' })
  expect(parsed.features.slice(0, 2).map(({ description }) => description)).toEqual([
    { en: 'amount', es: 'amount' },
    { en: 'Loans', es: 'Loans' },
  ])
})
