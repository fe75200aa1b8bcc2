/** The points that all replicas together have taken in the current window, and when it ends. */
export interface Counted {
  readonly total: number
  readonly endsInMs: number
}

/** The count of all replicas together. */
export interface SharedPoints {
  /** Whether the count is available at the moment. */
  readonly answers: boolean
  /** Undefined when the points were not counted. */
  add(digest: string, points: number): Promise<Counted | undefined>
}
