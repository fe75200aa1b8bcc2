// Stand-ins for the two public base images, made from Debian's packages, and Node and npm from their npm packages. They hold what
// the Dockerfile needs of the public ones: one has a shell and npm; the other has only Node and the libraries that it links.
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const NODE_MAJOR = 24
const NPM_MAJOR = 11
const SUITE = 'trixie'
const LIBRARIES = ['base-files', 'netbase', 'tzdata', 'ca-certificates', 'libc6', 'libgcc-s1', 'libstdc++6']
const SHELL = ['dash', 'bash', 'coreutils', 'findutils', 'sed', 'grep']
// Debian's tools for installing packages come along with libraries. The public image does not have them either.
const NOT_IN_RUNTIME = [
  'usr/bin/debconf*',
  'usr/sbin/dpkg*',
  'usr/sbin/update-ca-certificates',
  'usr/bin/*awk',
  'usr/bin/c_rehash',
]
const CERTIFICATES = 'etc/ssl/certs/ca-certificates.crt'

/** Makes both. Returns the build arguments that name them. */
export function makeBaseImages(store) {
  const node = installNode(store)
  const build = debian(store, 'build', [...LIBRARIES, ...SHELL])
  cpSync(node.binary, join(build, 'usr/local/bin/node'))
  cpSync(node.npm, join(build, 'usr/local/lib/node_modules/npm'), { recursive: true })
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(build, 'usr/local/bin/npm'))
  const runtime = debian(store, 'runtime', LIBRARIES)
  store.run('sh', ['-c', `rm -f ${NOT_IN_RUNTIME.join(' ')}`], { cwd: runtime })
  mkdirSync(join(runtime, 'nodejs/bin'), { recursive: true })
  cpSync(node.binary, join(runtime, 'nodejs/bin/node'))
  return [
    `BUILD_IMAGE=${commit(store, 'build', build, ['--env', `NODE_EXTRA_CA_CERTS=/${CERTIFICATES}`])}`,
    `RUNTIME_IMAGE=${commit(store, 'runtime', runtime, [])}`,
  ]
}

/** The npm package of Node for this processor; the package `node` would choose it by an install script. */
function installNode(store) {
  const folder = join(store.folder, 'node')
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), '{}')
  const arch = process.arch === 'arm64' ? 'linux-arm64' : 'linux-x64'
  const packages = [`node-${arch}@${NODE_MAJOR}`, `npm@${NPM_MAJOR}`]
  store.run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages], { cwd: folder })
  return { binary: join(folder, `node_modules/node-${arch}/bin/node`), npm: join(folder, 'node_modules/npm') }
}

/** Debian packages, unpacked into a folder without running anything of theirs. */
function debian(store, name, packages) {
  const folder = join(store.folder, name)
  store.run('mmdebstrap', ['--variant=extract', `--include=${packages.join(',')}`, SUITE, folder])
  chmodSync(folder, 0o755)
  mkdirSync(join(folder, 'usr/local/lib/node_modules'), { recursive: true })
  // The authorities that this machine trusts: the build reaches its registry as this machine does.
  if (existsSync(`/${CERTIFICATES}`)) writeFileSync(join(folder, CERTIFICATES), readFileSync(`/${CERTIFICATES}`))
  return folder
}

function commit(store, name, folder, config) {
  const image = `localhost/base-${name}`
  const container = store.buildah('from', 'scratch')
  store.buildah('add', '--quiet', container, folder, '/')
  store.buildah('config', '--env', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...config, container)
  store.buildah('commit', '--quiet', '--rm', container, image)
  rmSync(folder, { recursive: true })
  return image
}
