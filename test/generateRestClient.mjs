// Writes the types of a REST client from openapi.json, as a client's author would; `--check` tells whether they are up to date.
// openapi-typescript needs an older TypeScript than ours, so npx runs it in a folder of its own.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const OUTPUT = 'test/support/generated/rest.ts'
const TOOLS = ['openapi-typescript@7.13.0', 'typescript@5.9.3']

const digest = createHash('sha256').update(readFileSync('openapi.json')).digest('hex')
const firstLine = `// Generated from openapi.json (SHA-256 ${digest}) by \`npm run generate\`. Do not edit.`

if (process.argv.includes('--check')) {
  if (readFileSync(OUTPUT, 'utf8').startsWith(`${firstLine}\n`)) process.exit(0)
  process.stderr.write(`${OUTPUT} is not made from this openapi.json: run \`npm run generate\`.\n`)
  process.exit(1)
}

const folder = mkdtempSync(join(tmpdir(), 'riskgate-rest-client-'))
try {
  const packages = TOOLS.map(tool => `--package=${tool}`)
  const output = join(folder, 'rest.ts')
  execFileSync('npx', ['--yes', ...packages, 'openapi-typescript', resolve('openapi.json'), '--output', output], {
    cwd: folder,
    stdio: 'inherit',
  })
  writeFileSync(OUTPUT, `${firstLine}\n${readFileSync(output, 'utf8')}`)
} finally {
  rmSync(folder, { recursive: true })
}
