import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { testFolder } from '../support/folder.js'

const ROOT = join(import.meta.dirname, '../..')
const REGISTRY = 'https://registry.npmjs.org/'
const ALLOWED = [
  'MIT',
  'ISC',
  'BSD-3-Clause',
  'Apache-2.0',
  'BlueOak-1.0.0',
  '0BSD',
  'Unlicense',
  'CC0-1.0',
  'BSD-2-Clause',
  'PSF-2.0',
]

interface Manifest {
  readonly license?: string
  readonly dependencies?: Record<string, string>
  readonly devDependencies?: Record<string, string>
  readonly optionalDependencies?: Record<string, string>
  readonly peerDependencies?: Record<string, string>
  readonly overrides?: Record<string, string | Record<string, string>>
  readonly scripts?: Record<string, string>
}

interface Locked extends Manifest {
  readonly version: string
  readonly resolved?: string
  readonly integrity?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly hasInstallScript?: boolean
}

const read = <T>(file: string) => JSON.parse(readFileSync(join(ROOT, file), 'utf8')) as T
const manifest = read<Manifest>('package.json')
const { packages } = read<{ packages: Record<string, Locked> }>('package-lock.json')
const locked = Object.entries(packages).filter(([path]) => path !== '')
const nameOf = (path: string) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)

/** The rows of the tables below a heading of docs/dependencies.md. */
function documented(heading: string): string[][] {
  const text = readFileSync(join(ROOT, 'docs/dependencies.md'), 'utf8')
  const section = text.split(/^## /m).find(part => part.startsWith(`${heading}\n`)) ?? ''
  const rows = section.split('\n').filter(line => line.startsWith('| ') && !/^\| (package|advisory) /.test(line))
  return rows.map(row =>
    row
      .split('|')
      .map(cell => cell.trim())
      .slice(1, -1),
  )
}

const overrides = Object.entries(manifest.overrides ?? {}).flatMap(([name, value]) =>
  typeof value === 'string' ? [name] : Object.keys(value).map(inner => `${name} > ${inner}`),
)
const direct = {
  'In production': Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }),
  'In development': Object.keys(manifest.devDependencies ?? {}),
  Overrides: overrides,
}

/** The licence that an installed package states, or the one in the lock file for a package of another platform. */
function licenceOf(path: string): string | undefined {
  const file = join(path, 'package.json')
  return existsSync(join(ROOT, file)) ? read<Manifest>(file).license : packages[path]?.license
}

/** Where Node would find a package that another one imports. */
function pathOf(name: string, from: string): string | undefined {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const path = `${at === '' ? '' : `${at}/`}node_modules/${name}`
    if (packages[path]) return path
    if (at === '' || !at.includes('node_modules/')) return at === '' ? undefined : pathOf(name, '')
  }
}

/** These packages and all their dependencies. */
function treeOf(names: readonly string[]): Set<string> {
  const found = new Set<string>()
  const add = (name: string, from: string) => {
    const path = pathOf(name, from)
    if (path === undefined || found.has(path)) return
    found.add(path)
    const { dependencies, optionalDependencies, peerDependencies } = packages[path] as Locked
    for (const next of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) add(next, path)
  }
  for (const name of names) add(name, '')
  return found
}

describe('docs/dependencies.md', () => {
  it.each(Object.entries(direct))('has exactly one row for each direct dependency: %s', (heading, names) => {
    const rows = documented(heading)
    expect(rows.map(([name]) => name).sort()).toEqual([...names].sort())
    for (const [, , reason = ''] of rows) expect(reason.length).toBeGreaterThan(4)
  })

  it.each(Object.keys(direct))('names the licence that each package states: %s', heading => {
    for (const [name = '', licence] of documented(heading)) {
      const path = pathOf(name.split(' > ').at(-1) ?? '', '')
      expect([name, path && licenceOf(path)]).toEqual([name, licence])
    }
  })

  it('explains each package that has an install script', () => {
    const scripted = locked.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => nameOf(path))
    expect(documented('Install scripts').map(([name]) => name)).toEqual([...new Set(scripted)].sort())
  })

  it('marks the packages that are built into the playground', () => {
    const marked = documented('In development').filter(([, , reason]) => reason?.startsWith('* '))
    const imported = execFileSync('grep', ['-rhoE', "from '[^.'][^']*'|import '[^.'][^']*'", join(ROOT, 'web')], {
      encoding: 'utf8',
    })
    const names = [...imported.matchAll(/'((?:@[^/']+\/)?[^/']+)/g)].map(([, name]) => name as string)
    const built = [...new Set(names)].filter(name => direct['In development'].includes(name) && !/^(vite|@vitejs)/.test(name))
    expect(marked.map(([name]) => name).sort()).toEqual(built.sort())
  })
})

describe('the lock file', () => {
  it('has a digest for each package, and no source other than the registry, over HTTPS', () => {
    expect(locked.length).toBeGreaterThan(500)
    for (const [path, { resolved, integrity }] of locked) {
      expect({ path, isOfRegistry: resolved?.startsWith(REGISTRY) ?? true }).toEqual({ path, isOfRegistry: true })
      expect({ path, integrity }).toEqual({ path, integrity: expect.stringMatching(/^sha512-[\w+/]{86}==$/) })
    }
  })

  it('matches package.json, whose direct dependencies have exact versions', () => {
    const { dependencies, devDependencies, optionalDependencies } = packages[''] as Locked
    expect({ dependencies, devDependencies, optionalDependencies }).toEqual({
      dependencies: manifest.dependencies,
      devDependencies: manifest.devDependencies,
      optionalDependencies: manifest.optionalDependencies,
    })
    const versions = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
    for (const [name, version] of versions) {
      expect([name, version]).toEqual([name, expect.stringMatching(/^\d+\.\d+\.\d+(-[\w.]+)?$/)])
      expect([name, packages[`node_modules/${name}`]?.version]).toEqual([name, version])
    }
  })

  it('is installed without running scripts of packages', () => {
    expect(readFileSync(join(ROOT, '.npmrc'), 'utf8')).toMatch(/^ignore-scripts=true$/m)
  })
})

describe('the licences', () => {
  /** Whether a licence is on the list. One part of an OR is enough; all parts of an AND must be on it. */
  function isAllowed(licence: string | undefined): boolean {
    const text = licence?.replace(/^\(|\)$/g, '') ?? ''
    if (text.includes(' AND ')) return text.split(' AND ').every(part => ALLOWED.includes(part))
    return text.split(' OR ').some(part => ALLOWED.includes(part))
  }

  const playground = documented('In development').flatMap(([name = '', , reason]) => (reason?.startsWith('* ') ? [name] : []))

  it.each<[string, Set<string>]>([
    ['of the production tree', new Set(locked.filter(([, { dev }]) => !dev).map(([path]) => path))],
    ['of the packages built into the playground', treeOf(playground)],
  ])('%s are all on the list', (_name, paths) => {
    expect(paths.size).toBeGreaterThan(30)
    const others = [...paths].map(path => [path, licenceOf(path)] as const).filter(([, licence]) => !isAllowed(licence))
    expect(others).toEqual([])
  })
})

interface Bom {
  readonly bomFormat: string
  readonly specVersion: string
  readonly serialNumber: string
  readonly metadata: { readonly component: { readonly 'bom-ref': string; readonly purl: string } }
  readonly components: readonly {
    readonly 'bom-ref': string
    readonly name: string
    readonly version: string
    readonly purl: string
    readonly hashes?: readonly { readonly alg: string; readonly content: string }[]
    readonly licenses?: readonly unknown[]
  }[]
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[]
}

describe('npm run sbom', () => {
  const directory = testFolder('sbom')
  it('lists every package of the production tree with version, digest and licence', () => {
    expect(manifest.scripts?.sbom).toBe('node deploy/sbom.mjs')
    const file = join(directory, 'sbom.json')
    execFileSync(process.execPath, ['deploy/sbom.mjs', file], { cwd: ROOT, stdio: ['ignore', 'inherit', 'pipe'] })
    const bom = JSON.parse(readFileSync(file, 'utf8')) as Bom

    expect(bom).toMatchObject({ bomFormat: 'CycloneDX', specVersion: expect.stringMatching(/^1\.[56]$/) })
    expect(bom.serialNumber).toMatch(/^urn:uuid:[0-9a-f-]{36}$/)
    expect(bom.metadata.component.purl).toMatch(/^pkg:npm\/riskgate@/)
    const production = locked.filter(([, { dev }]) => !dev).map(([path, { version }]) => `${nameOf(path)}@${version}`)
    expect(new Set(bom.components.map(({ name, version }) => `${name}@${version}`))).toEqual(new Set(production))
    for (const { purl, version, hashes, licenses, name } of bom.components) {
      expect(purl).toBe(`pkg:npm/${name.replace('@', '%40')}@${version}`)
      expect(hashes?.[0]).toEqual({ alg: 'SHA-512', content: expect.stringMatching(/^[0-9a-f]{128}$/) })
      expect(licenses?.length).toBeGreaterThan(0)
    }
    const references = new Set([bom.metadata.component['bom-ref'], ...bom.components.map(component => component['bom-ref'])])
    for (const { ref, dependsOn } of bom.dependencies) {
      for (const reference of [ref, ...dependsOn]) expect(references).toContain(reference)
    }
  })
})
