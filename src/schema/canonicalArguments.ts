import {
  defaultFieldResolver,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLSchema,
  getNullableType,
  isInputObjectType,
  isObjectType,
} from 'graphql'
import { canonicalTexts } from '../scoring/canonicalText.js'

type Arguments = Readonly<Record<string, unknown>>

/** For a field of an argument's input type whose text is no text of a language. */
export const AS_IT_CAME = { asItCame: true } as const

/**
 * The one door of texts: every field with arguments gets them in their canonical form, wherever they stood (variable, literal or
 * default value) and whichever transport brought them.
 */
export function takeCanonicalArguments(schema: GraphQLSchema): void {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue
    for (const field of Object.values(type.getFields())) {
      if (field.args.length === 0) continue
      const { resolve = defaultFieldResolver, subscribe } = field
      const canonical = canonicalArguments(field)
      field.resolve = (source, args: Arguments, context, info) => resolve(source, canonical(args), context, info)
      if (subscribe) {
        field.subscribe = (source, args: Arguments, context, info) => subscribe(source, canonical(args), context, info)
      }
    }
  }
}

function canonicalArguments({ args }: GraphQLField<unknown, unknown>): (given: Arguments) => Arguments {
  const kept = args.flatMap(({ name, type }) => fieldsAsTheyCame(type).map(field => [name, field] as const))
  if (kept.length === 0) return canonicalTexts
  return given => {
    const canonical = { ...canonicalTexts(given) }
    for (const [name, field] of kept) {
      const input = given[name] as Arguments | null | undefined
      if (input != null) canonical[name] = { ...(canonical[name] as Arguments), [field]: input[field] }
    }
    return canonical
  }
}

function fieldsAsTheyCame(type: GraphQLInputType): readonly string[] {
  const named = getNullableType(type)
  if (!isInputObjectType(named)) return []
  return Object.values(named.getFields())
    .filter(({ extensions }) => extensions.asItCame === AS_IT_CAME.asItCame)
    .map(({ name }) => name)
}
