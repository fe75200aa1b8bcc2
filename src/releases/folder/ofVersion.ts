import { AppError } from '../../errors.js'
import { saidBy } from '../../scoring/onnx/runtimeSentence.js'
import type { VersionFolder } from '../intake/versionFolder.js'

/**
 * Works on one version. One that fails in a way that nobody has thought of must not stop the others.
 * @throws AppError as the work does: then it says nothing about the version
 */
export async function ofVersion<T>(
  { model, version }: VersionFolder,
  work: () => Promise<T>,
): Promise<T | { readonly problems: readonly string[] }> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof AppError) throw error
    return { problems: [`${model}/${version} cannot be read: ${saidBy(error)}.`] }
  }
}
