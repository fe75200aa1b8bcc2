import { type ExecutionArgs, type ExecutionResult, execute } from 'graphql'
import { AppError, ERROR_CODES } from '../../errors.js'
import { publicErrors, type ReportUnexpected } from '../formatError.js'
import { responseCode } from '../operations/responseStatus.js'

/** An event in the form that clients receive. */
export interface Payload {
  /** JSON of the result. */
  readonly text: string
  /** `OK`, or the code of its first error. */
  readonly code: string
}

/** Subscriptions with the same key receive the same payload for the same event. */
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

  /** Adds a subscriber, which must call `leave` once. */
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
  /** A payload lives as long as its event, which stays in the mailboxes of subscribers that have not read it yet. */
  readonly #payloads = new WeakMap<object, Payload | Promise<Payload>>()

  constructor(args: ExecutionArgs, report: ReportUnexpected) {
    this.args = args
    this.#report = report
  }

  /** @throws AppError where a retryable error of a field leaves no data of the event */
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
    // A client that received the next event could no longer resume before this one. A client whose stream fails here resumes and
    // gets it.
    const transient = result.data ? undefined : result.errors.map(({ originalError }) => originalError).find(isTransient)
    if (transient) throw transient
    const errors = publicErrors(result.errors, this.#report)
    return { text: JSON.stringify({ ...result, errors }), code: responseCode(errors) }
  }
}

function isTransient(error: unknown): boolean {
  return error instanceof AppError && ERROR_CODES[error.code].retryable
}
