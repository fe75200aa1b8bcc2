import { type GraphQLOutputType, isListType, isNonNullType } from 'graphql'
import { isAllowed, type MatrixCaller } from './expectations.js'
import { type Asked, coordinateOf } from './selections.js'

const REFUSAL = 'Your roles do not allow this. Ask for a token with another role.'

type Key = string | number

export interface Answer {
  readonly data?: unknown
  readonly errors?: readonly {
    message: string
    path?: readonly Key[]
    extensions?: Record<string, unknown>
    locations?: unknown
  }[]
}

export interface Verdict {
  /** Every difference from the table, as a sentence. */
  readonly wrong: readonly string[]
  /** The coordinates on which the answer decided. */
  readonly decided: readonly string[]
}

/**
 * Compares an answer with the table, which must account for every value and every error. `leftOutAt` is the depth of fields that
 * a directive left out.
 */
export function judge({ data, errors = [] }: Answer, asked: readonly Asked[], caller: MatrixCaller, leftOutAt = -1): Verdict {
  const wrong: string[] = []
  const decided: string[] = []
  const placed = errors.map(error => ({ ...error, at: JSON.stringify(error.path ?? []) }))

  const isRefused = (one: Asked) => !isAllowed(coordinateOf(one), caller)
  const errorsBelow = (path: readonly Key[]) => placed.filter(({ path: at = [] }) => path.every((key, i) => at[i] === key))

  function object(fields: readonly Asked[], value: unknown, path: readonly Key[], depth: number): void {
    if (typeof value !== 'object' || value === null) return void wrong.push(`${place(path)} is not an object`)
    const given = Object.keys(value).filter(key => key !== '__typename')
    const isLeftOut = depth === leftOutAt
    const keys = isLeftOut ? [] : fields.map(({ key }) => key)
    if (given.sort().join() !== keys.sort().join()) wrong.push(`${place(path)} has ${given.join()} for ${keys.join()}`)
    if (isLeftOut) return void decided.push(...fields.map(coordinateOf))
    for (const one of fields) {
      const at = [...path, one.key]
      const below = (value as Record<string, unknown>)[one.key]
      if (!isRefused(one)) {
        decided.push(coordinateOf(one))
        output(one, one.field.type, below, at, depth + 1)
        continue
      }
      decided.push(coordinateOf(one))
      if (below !== null) wrong.push(`${place(at)} is refused, but not null`)
      const there = placed.filter(error => error.at === JSON.stringify(at))
      if (there.length !== 1) wrong.push(`${place(at)} is refused with ${there.length} errors`)
    }
  }

  function output(one: Asked, type: GraphQLOutputType, value: unknown, path: readonly Key[], depth: number): void {
    const inner = isNonNullType(type) ? type.ofType : type
    if (value === undefined) return void wrong.push(`${place(path)} is missing`)
    if (value === null) {
      const causes = errorsBelow(path)
      if (isNonNullType(type)) wrong.push(`${place(path)} must not be null`)
      else if (blanks(one, inner)) {
        if (causes.length === 0) wrong.push(`${place(path)} is null without an error`)
        decided.push(...causes.flatMap(cause => coordinateAt(cause.path) ?? []))
      } else if (causes.length > 0) wrong.push(`${place(path)} is null because of an error`)
      return
    }
    if (isListType(inner)) {
      if (!Array.isArray(value)) return void wrong.push(`${place(path)} is not a list`)
      for (const [i, item] of value.entries()) output(one, inner.ofType, item, [...path, i], depth)
    } else if (one.children.length > 0) object(one.children, value, path, depth)
  }

  /** Whether a refusal below a field turns its value, or an item of its list, of this type into null. */
  function blanks(one: Asked, type: GraphQLOutputType): boolean {
    if (isNonNullType(type)) return blanks(one, type.ofType)
    if (isListType(type)) return isNonNullType(type.ofType) && blanks(one, type.ofType)
    return one.children.some(child => isNonNullType(child.field.type) && (isRefused(child) || blanks(child, child.field.type)))
  }

  function coordinateAt(path: readonly Key[] = []): string | undefined {
    let fields = asked
    let found: Asked | undefined
    for (const key of path.filter(key => typeof key === 'string')) {
      found = fields.find(one => one.key === key)
      fields = found?.children ?? []
    }
    return found && coordinateOf(found)
  }

  for (const { at, message, path, extensions, locations } of placed) {
    const coordinate = coordinateAt(path)
    const isLeftOut = leftOutAt >= 0 && (path?.filter(key => typeof key === 'string').length ?? 0) > leftOutAt
    if (coordinate === undefined || isAllowed(coordinate, caller) || isLeftOut)
      wrong.push(`${at} (${coordinate}) is refused: ${message}`)
    if (message !== REFUSAL || JSON.stringify(extensions) !== '{"code":"FORBIDDEN"}' || locations !== undefined) {
      wrong.push(`${at} is not refused with our message: ${message} ${JSON.stringify(extensions)}`)
    }
  }
  if (data === null || data === undefined) {
    const isBlank = asked.some(one => isNonNullType(one.field.type) && (isRefused(one) || blanks(one, one.field.type)))
    if (!isBlank || errors.length === 0) wrong.push(`there is no data: ${JSON.stringify(errors)}`)
    decided.push(...errors.flatMap(({ path }) => coordinateAt(path) ?? []))
  } else object(asked, data, [], 0)
  return { wrong, decided }
}

function place(path: readonly Key[]): string {
  return path.join('.') || 'the answer'
}
