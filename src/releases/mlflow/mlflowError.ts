export type MlflowProblem =
  /** The server is down, slow or overloaded: what was fetched before may be used. */
  | 'UNREACHABLE'
  /** It refuses these credentials, or this name of it. */
  | 'REFUSED'
  | 'NOT_FOUND'
  /** The version is not registered to its end. */
  | 'NOT_READY'
  /** The answer is not one that MLflow gives. */
  | 'BAD_ANSWER'
  /** The files are where riskgate does not read, or are no version that it can serve. */
  | 'UNSUPPORTED'
  | 'TOO_LARGE'

/** Why nothing was fetched from MLflow. The message is a sentence with what to do, without credentials. */
export class MlflowError extends Error {
  readonly code: MlflowProblem

  constructor(code: MlflowProblem, message: string) {
    super(message)
    this.name = 'MlflowError'
    this.code = code
  }
}
