import { type ExecutionArgs, type ExecutionResult, execute } from 'graphql'
import { publicError, type ReportUnexpected } from './formatError.js'
import { outcomeCode } from './outcome.js'

/** An event as clients get it. */
export interface Payload {
  /** JSON of the result. */
  readonly text: string
  /** `OK`, or the code of its first error. */
  readonly code: string
}

/** Subscriptions with the same key are told the same of the same event. */
export interface KeyedArgs extends ExecutionArgs {
  readonly key: string
}

/** The operations that are subscribed to: each event is executed and written out once for all subscribers of one operation. */
export class SharedOperations {
  readonly #report: ReportUnexpected
  readonly #byKey = new Map<string, SharedOperation>()

  constructor(report: ReportUnexpected) {
    this.#report = report
  }

  find(key: string): SharedOperation | undefined {
    return this.#byKey.get(key)
  }

  /** To be called off once by whoever has joined. */
  join(args: KeyedArgs): { operation: SharedOperation; leave: () => void } {
    const { key } = args
    const operation = this.#byKey.get(key) ?? new SharedOperation(args, this.#report)
    this.#byKey.set(key, operation)
    operation.subscribers++
    const leave = () => {
      operation.subscribers--
      if (operation.subscribers === 0) this.#byKey.delete(key)
    }
    return { operation, leave }
  }
}

export class SharedOperation {
  readonly args: ExecutionArgs
  subscribers = 0
  readonly #report: ReportUnexpected
  /** As long as the event itself lives: in the mailboxes of those that have not come to it yet. */
  readonly #payloads = new WeakMap<object, Payload | Promise<Payload>>()

  constructor(args: ExecutionArgs, report: ReportUnexpected) {
    this.args = args
    this.#report = report
  }

  payloadOf(event: object): Payload | Promise<Payload> {
    const known = this.#payloads.get(event)
    if (known) return known
    const result = execute({ ...this.args, rootValue: event })
    const payload = result instanceof Promise ? result.then(settled => this.#written(settled)) : this.#written(result)
    this.#payloads.set(event, payload)
    return payload
  }

  #written(result: ExecutionResult): Payload {
    if (!result.errors) return { text: JSON.stringify(result), code: 'OK' }
    const errors = result.errors.map(error => publicError(error.toJSON(), error, this.#report))
    return { text: JSON.stringify({ ...result, errors }), code: outcomeCode(errors) }
  }
}
