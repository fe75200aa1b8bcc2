import { isUtf8 } from 'node:buffer'
import { readFile, stat } from 'node:fs/promises'
import type { z } from 'zod'

type Bytes = { readonly bytes: Buffer } | { readonly problem: string; readonly isMissing: boolean }

/** Reads a file of a models folder. `name` is what its problem calls the file. A pipe is not read: that might never end. */
export async function readBytes(file: string, name: string): Promise<Bytes> {
  try {
    if (!(await stat(file)).isFile()) return { problem: `${name} is not a file.`, isMissing: false }
    return { bytes: await readFile(file) }
  } catch (error) {
    if (isAbsent(error)) return { problem: `${name} is missing.`, isMissing: true }
    return { problem: `${name} cannot be read (${(error as NodeJS.ErrnoException).code}).`, isMissing: false }
  }
}

/** Reads a text of a models folder, without the byte order mark that some editors begin a file with. */
export async function readText(
  file: string,
  name: string,
): Promise<{ readonly text: string } | { readonly problem: string; readonly isMissing: boolean }> {
  const read = await readBytes(file, name)
  if ('problem' in read) return read
  if (!isUtf8(read.bytes)) return { problem: `${name} is not UTF-8. Save it as UTF-8.`, isMissing: false }
  return { text: withoutMark(read.bytes.toString()) }
}

/** Reads a JSON file, which must fit a schema. `name` is what its problems call the file. */
export async function readJson<Schema extends z.ZodType>(
  file: string,
  name: string,
  schema: Schema,
): Promise<{ readonly value: z.output<Schema> } | { readonly problems: string[] }> {
  const read = await readText(file, name)
  if ('problem' in read) return { problems: [read.problem] }
  let json: unknown
  try {
    json = JSON.parse(read.text)
  } catch {
    return { problems: [`${name} is not JSON.`] }
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return { value: parsed.data }
  return { problems: parsed.error.issues.map(({ path, message }) => `${name}: ${path.join('.')} ${message}.`) }
}

export function withoutMark(text: string): string {
  return text.startsWith('\uFEFF') ? text.slice(1) : text
}

/** Whether there is a file of this name. One that cannot be looked at is there. */
export async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    error => !isAbsent(error),
  )
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')
}
