import { defaultFieldResolver, type GraphQLSchema, isObjectType } from 'graphql'
import { canonicalTexts } from '../scoring/canonicalText.js'

type Arguments = Record<string, unknown>

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
      field.resolve = (source, args: Arguments, context, info) => resolve(source, canonicalTexts(args), context, info)
      if (subscribe) {
        field.subscribe = (source, args: Arguments, context, info) => subscribe(source, canonicalTexts(args), context, info)
      }
    }
  }
}
