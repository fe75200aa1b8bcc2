import { MODEL_NAME } from '../../scoring/contract.js'
import { VERSION_NAME } from '../../scoring/manifest.js'

/** @throws Error where a name is none of a model or a version: as part of a path, it could lead out of the models folder */
export function refuseOtherNames(name: string, version: string): void {
  if (!MODEL_NAME.test(name))
    throw new Error(`${name} is no kebab-case name of a model, such as consumer-credit. Give one with --name.`)
  if (!VERSION_NAME.test(version))
    throw new Error(`${version} is no name of a version, such as 3 or 2026-11.1. Give one with --model-version.`)
}
