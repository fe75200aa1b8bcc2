import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The list of fields of the Elastic Common Schema, with the type of each in Elasticsearch. */
const { fields } = JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/ecsFields.json'), 'utf8')) as {
  fields: Record<string, string>
}
const OWN = /^riskgate\.[a-z]+(_[a-z]+)*$/
// Every line needs them (ECS logging specification).
const REQUIRED = ['@timestamp', 'log.level', 'message', 'ecs.version', 'service.name', 'service.version']

const isText = (value: unknown) => typeof value === 'string'
const FITS: Readonly<Record<string, (value: unknown) => boolean>> = {
  keyword: isText,
  wildcard: isText,
  match_only_text: isText,
  long: Number.isSafeInteger,
  float: Number.isFinite,
  date: value => isText(value) && new Date(value as string).toISOString() === value,
}

/** What in a line of a log does not fit the schema. */
export function ecsProblems(line: Readonly<Record<string, unknown>>): string[] {
  return [
    ...REQUIRED.filter(name => !(name in line)).map(name => `${name} is missing`),
    ...Object.entries(line).flatMap(([name, value]) => {
      if (OWN.test(name)) return []
      const type = fields[name]
      if (type === undefined) return [`${name} is not a field of the schema`]
      return FITS[type]?.(value) ? [] : [`${name} is not of type ${type}`]
    }),
  ]
}
