/** A version as a source brings it: manifest, graph, golden rows and model card in a folder. */
export interface VersionFolder {
  readonly model: string
  readonly version: string
  readonly directory: string
  /** The contract of its model. */
  readonly contractFile: string
}
