// `npm run sbom`: writes the bill of materials of the production packages in CycloneDX format, made by npm itself. With
// `--omit-optional` it leaves out the optional packages, as the image does.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({ options: { 'omit-optional': { type: 'boolean' } }, allowPositionals: true })
const [output = 'dist/sbom.cdx.json'] = positionals
const hasOptional = !values['omit-optional']
const read = file => JSON.parse(readFileSync(new URL(`../${file}`, import.meta.url), 'utf8'))

// `npm sbom --omit dev` would also leave out production packages that a development package uses. So npm gets a project without any
// development packages.
const manifest = withoutLeftOut(read('package.json'))
const lock = read('package-lock.json')
const root = withoutLeftOut(lock.packages[''])
const production = Object.entries(lock.packages).filter(
  ([path, { dev, optional, devOptional }]) => path !== '' && !dev && (hasOptional || !(optional || devOptional)),
)

const temporary = mkdtempSync(join(tmpdir(), 'riskgate-sbom-'))
try {
  // npm names the product after its folder.
  const folder = join(temporary, manifest.name)
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  const packages = { '': root, ...Object.fromEntries(production) }
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ ...lock, packages }))
  const bom = execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'application', '--package-lock-only'], {
    cwd: folder,
    maxBuffer: 64 * 1024 * 1024,
  })
  mkdirSync(dirname(output), { recursive: true })
  writeFileSync(output, bom)
} finally {
  rmSync(temporary, { recursive: true })
}

function withoutLeftOut({ devDependencies: _development, optionalDependencies, ...rest }) {
  return hasOptional ? { ...rest, optionalDependencies } : rest
}
