import {
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLObjectType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isRequiredArgument,
  isRequiredInputField,
  isScalarType,
} from 'graphql'

interface ArgumentValue {
  readonly name: string
  readonly type: GraphQLInputType
  readonly value: unknown
}

/** The values for the arguments of fields. */
export class ArgumentValues {
  readonly #given: Readonly<Record<string, unknown>>

  /** Takes values by `Type.field.argument` or `InputType.field`; a required value that is missing is made from its type. */
  constructor(given: Readonly<Record<string, unknown>>) {
    this.#given = given
  }

  of(type: GraphQLObjectType, field: GraphQLField<unknown, unknown>): ArgumentValue[] {
    return field.args.flatMap(argument => {
      const place = `${type.name}.${field.name}.${argument.name}`
      if (place in this.#given) return { name: argument.name, type: argument.type, value: this.#given[place] }
      // Pages are small, because answers of nested lists would be large.
      if (argument.name === 'first') return { name: argument.name, type: argument.type, value: 2 }
      if (!isRequiredArgument(argument)) return []
      return { name: argument.name, type: argument.type, value: this.#valueOf(argument.type, place) }
    })
  }

  #valueOf(type: GraphQLInputType, place: string): unknown {
    if (place in this.#given) return this.#given[place]
    if (isNonNullType(type)) return this.#valueOf(type.ofType, place)
    if (isListType(type)) return [this.#valueOf(type.ofType, place)]
    if (isEnumType(type)) return type.getValues()[0]?.name
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields()).filter(
        field => `${type.name}.${field.name}` in this.#given || isRequiredInputField(field),
      )
      return Object.fromEntries(fields.map(field => [field.name, this.#valueOf(field.type, `${type.name}.${field.name}`)]))
    }
    if (isScalarType(type) && type.name === 'Boolean') return true
    if (isScalarType(type) && type.name === 'Int') return 1
    if (isScalarType(type) && type.name === 'DateTime') return new Date().toISOString()
    throw new Error(`Give the matrix a value for ${place} (test/security/support/matrixFixture.ts).`)
  }
}
