/** What all replicas have taken together in the window that is open, and when it ends. */
export interface Counted {
  readonly total: number
  readonly endsInMs: number
}

/** The count of all replicas together. */
export interface SharedPoints {
  /** Whether the count can be asked at the moment. */
  readonly answers: boolean
  /** Undefined where the points were not counted. */
  add(digest: string, points: number): Promise<Counted | undefined>
}
