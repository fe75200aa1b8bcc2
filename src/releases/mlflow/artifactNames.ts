import { MlflowError } from './mlflowError.js'

// Windows opens a device for these names, whatever their ending.
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?$/i
// Separators, drive letters, streams, and characters that no eye sees.
const FORBIDDEN = /[/\\:*?"<>|\p{Cc}\p{Cf}]/u
const MOST_NAME_BYTES = 255

/** Whether a name is that of one file or folder on every system, and leads nowhere else. */
export function isPlainName(name: string): boolean {
  const isHostile = FORBIDDEN.test(name) || /^\.{1,2}$|^\s|[\s.]$/.test(name) || DEVICE.test(name)
  return name !== '' && !isHostile && Buffer.byteLength(name) <= MOST_NAME_BYTES
}

/** Refuses a name from a listing that could lead out of its folder, or mean another file on some system. @throws MlflowError */
export function checkName(name: string): void {
  if (isPlainName(name)) return
  throw new MlflowError('BAD_ANSWER', `MLflow lists a file by the name ${JSON.stringify(name.slice(0, 80))}, which is refused.`)
}

/** Refuses two paths that are one file where a file system ignores case or forms of Unicode. @throws MlflowError */
export function checkDistinct(paths: readonly string[]): void {
  const seen = new Set<string>()
  for (const path of paths) {
    const key = path.normalize('NFKC').toLowerCase()
    if (seen.has(key))
      throw new MlflowError('BAD_ANSWER', `MLflow lists ${JSON.stringify(path.slice(0, 80))} twice, perhaps in another case.`)
    seen.add(key)
  }
}
