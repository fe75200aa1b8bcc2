import {
  type ExecutionResult,
  type GraphQLError,
  type GraphQLResolveInfo,
  locatedError,
  OperationTypeNode,
  responsePathAsArray,
} from 'graphql'
import type { FieldPlan, ObjectPlan, OperationPlan, ValuePlan } from './operationPlan.js'

type Path = GraphQLResolveInfo['path']
type Data = Record<string, unknown>
export type Result = ExecutionResult<Data, Record<string, unknown>>

/**
 * Executes a planned operation with coerced variables (GraphQL, October 2021, section 6). It answers as `execute` of graphql-js does, down
 * to the order of the errors: promises are chained in the same places, and an error below a nulled field is left out.
 */
export function runPlan(plan: OperationPlan, context: unknown, variables: Data): Result | Promise<Result> {
  const execution = new Execution(plan, context, variables)
  try {
    const data = execution.root()
    return isPromise(data) ? data.then(execution.answer, execution.withoutData) : execution.answer(data)
  } catch (error) {
    return execution.withoutData(error as GraphQLError)
  }
}

class Execution {
  readonly #plan: OperationPlan
  readonly #context: unknown
  readonly #variables: Data
  readonly #errors: GraphQLError[] = []
  /** The fields that an error has nulled; undefined stands for the whole answer. */
  readonly #nulled = new Set<Path | undefined>()

  constructor(plan: OperationPlan, context: unknown, variables: Data) {
    this.#plan = plan
    this.#context = context
    this.#variables = variables
  }

  readonly answer = (data: Data | null): Result => (this.#errors.length > 0 ? { errors: this.#errors, data } : { data })

  readonly withoutData = (error: GraphQLError): Result => {
    this.#add(error, undefined)
    return this.answer(null)
  }

  root(): Data | Promise<Data> {
    const { operation, root } = this.#plan
    const isSerial = operation.operation === OperationTypeNode.MUTATION
    return isSerial ? this.#oneAfterAnother(root) : this.#object(root, undefined, undefined)
  }

  #oneAfterAnother({ fields }: ObjectPlan): Data | Promise<Data> {
    const run = (results: Data, field: FieldPlan): Data | Promise<Data> => {
      const value = this.#field(field, undefined, undefined)
      const set = (completed: unknown) => {
        results[field.key] = completed
        return results
      }
      return isPromise(value) ? value.then(set) : set(value)
    }
    let results: Data | Promise<Data> = Object.create(null) as Data
    for (const field of fields) results = isPromise(results) ? results.then(done => run(done, field)) : run(results, field)
    return results
  }

  #object({ fields }: ObjectPlan, path: Path | undefined, source: unknown): Data | Promise<Data> {
    const results = Object.create(null) as Data
    let isPending = false
    try {
      for (const field of fields) {
        const value = this.#field(field, path, source)
        results[field.key] = value
        isPending ||= isPromise(value)
      }
    } catch (error) {
      if (!isPending) throw error
      // The promises of the other fields are awaited, because they may be rejected too.
      return allOf(results).finally(() => {
        throw error
      })
    }
    return isPending ? allOf(results) : results
  }

  #field(field: FieldPlan, parent: Path | undefined, source: unknown): unknown {
    const path: Path = { prev: parent, key: field.key, typename: field.parentType.name }
    try {
      const resolved = this.#resolve(field, path, source)
      const completed = isPromise(resolved)
        ? resolved.then(value => this.#complete(field, field.value, path, value))
        : this.#complete(field, field.value, path, resolved)
      return isPromise(completed) ? completed.then(undefined, error => this.#fail(field, field.value, path, error)) : completed
    } catch (error) {
      return this.#fail(field, field.value, path, error)
    }
  }

  #resolve(field: FieldPlan, path: Path, source: unknown): unknown {
    const { definition } = field
    const args = field.argumentsOf(this.#variables)
    if (definition.resolve) return definition.resolve(source, args, this.#context, this.#infoOf(field, path))
    const value = (source as Data | undefined)?.[definition.name]
    return typeof value === 'function' ? value.call(source, args, this.#context, this.#infoOf(field, path)) : value
  }

  #infoOf({ definition, nodes, parentType }: FieldPlan, path: Path): GraphQLResolveInfo {
    const { schema, fragments, operation } = this.#plan
    return {
      fieldName: definition.name,
      fieldNodes: nodes,
      returnType: definition.type,
      parentType,
      path,
      schema,
      fragments,
      rootValue: undefined,
      operation,
      variableValues: this.#variables,
    }
  }

  #complete(field: FieldPlan, plan: ValuePlan, path: Path, value: unknown): unknown {
    if (value instanceof Error) throw value
    if (value === null || value === undefined) {
      if (!plan.isNonNull) return null
      throw new Error(`Cannot return null for non-nullable field ${field.parentType.name}.${field.definition.name}.`)
    }
    if (plan.kind === 'object') return this.#object(plan.object, path, value)
    if (plan.kind === 'list') return this.#list(field, plan.item, path, value)
    const serialized: unknown = plan.type.serialize(value)
    if (serialized === null || serialized === undefined) throw new Error(`${plan.type.name} cannot write a value.`)
    return serialized
  }

  #list(field: FieldPlan, plan: ValuePlan, path: Path, values: unknown): unknown {
    if (!isIterable(values)) throw new Error(`${field.parentType.name}.${field.definition.name} must be a list.`)
    const results: unknown[] = []
    let isPending = false
    try {
      for (const value of values) {
        const item = this.#item(field, plan, { prev: path, key: results.length, typename: undefined }, value)
        results.push(item)
        isPending ||= isPromise(item)
      }
    } catch (error) {
      // The list fails at once. Its other items may fail later, with nobody left to hear of it.
      for (const result of results) if (isPromise(result)) result.catch(() => {})
      throw error
    }
    return isPending ? Promise.all(results) : results
  }

  #item(field: FieldPlan, plan: ValuePlan, path: Path, value: unknown): unknown {
    try {
      const completed = isPromise(value)
        ? value.then(settled => this.#complete(field, plan, path, settled))
        : this.#complete(field, plan, path, value)
      return isPromise(completed) ? completed.then(undefined, error => this.#fail(field, plan, path, error)) : completed
    } catch (error) {
      return this.#fail(field, plan, path, error)
    }
  }

  /** An error nulls its field, or, where that must not be null, the field around it. */
  #fail({ nodes }: FieldPlan, { isNonNull }: ValuePlan, path: Path, cause: unknown): null {
    const error = locatedError(cause, nodes, responsePathAsArray(path))
    if (isNonNull) throw error
    this.#add(error, path)
    return null
  }

  #add(error: GraphQLError, path: Path | undefined): void {
    for (let at = path; at; at = at.prev) if (this.#nulled.has(at)) return
    if (this.#nulled.has(undefined)) return
    this.#nulled.add(path)
    this.#errors.push(error)
  }
}

async function allOf(results: Data): Promise<Data> {
  const values = await Promise.all(Object.values(results))
  const settled = Object.create(null) as Data
  for (const [i, key] of Object.keys(results).entries()) settled[key] = values[i]
  return settled
}

function isPromise<T>(value: T | PromiseLike<T>): value is Promise<T> {
  return typeof (value as Promise<T> | undefined)?.then === 'function'
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value
}
