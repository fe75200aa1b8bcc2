import type { Config } from '../config/config.js'
import { developmentReleaseKey } from '../config/development.js'

/** The key that signs the reports of checks; undefined where there is none, and reports are believed by nobody else. */
export async function releaseKey({ releaseKey, development, stateDirectory }: Config): Promise<Uint8Array | undefined> {
  return releaseKey ?? (development ? developmentReleaseKey(stateDirectory) : undefined)
}
