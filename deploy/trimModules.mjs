// `node deploy/trimModules.mjs FOLDER`: removes from a folder of production packages what a running gateway never reads, and prints
// how much that was. Licences stay.
import { readdirSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'

const [folder] = process.argv.slice(2)
if (!folder) {
  process.stderr.write('usage: node deploy/trimModules.mjs FOLDER\n')
  process.exit(2)
}

const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter(entry => entry.isFile())
  .map(entry => join(entry.parentPath ?? entry.path, entry.name))

const PLATFORM = join(process.platform, process.arch)
const ONNX_RUNTIME = join(folder, 'onnxruntime-node', 'bin')

remove('ONNX Runtime for other platforms', file => file.startsWith(ONNX_RUNTIME) && !file.includes(`/${PLATFORM}/`))
remove('source maps', file => file.endsWith('.map'))
remove('type declarations', file => /\.d\.[cm]?ts$/.test(file))

removeEmptyFolders(folder)

/** Removes the files that match. What matches nothing is a mistake here, or a package that has changed: the build must not go on. */
function remove(what, matches) {
  const removed = files.filter(matches)
  const bytes = removed.reduce((sum, file) => sum + statSync(file).size, 0)
  for (const file of removed) rmSync(file)
  process.stdout.write(`${what}: ${removed.length} files, ${Math.round(bytes / 1e6)} MB\n`)
  if (removed.length === 0) throw new Error(`There is nothing to remove of this kind: ${what}.`)
}

function removeEmptyFolders(path) {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeEmptyFolders(join(path, entry.name))
  }
  if (readdirSync(path).length === 0) rmdirSync(path)
}
