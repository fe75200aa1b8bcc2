// `npm run test:image`: builds deploy/Dockerfile on base images that are made here, prints the size of each layer, and tests the image.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ensurePrograms } from '../requirements.mjs'
import { makeBaseImages } from './baseImages.mjs'
import { ImageStore } from './imageStore.mjs'

const IMAGE = 'localhost/riskgate'
const PROGRAMS = { mmdebstrap: 'mmdebstrap', buildah: 'buildah', podman: 'podman', runc: 'runc' }
const REVISION = spawnSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).stdout.trim()

const missing = process.platform === 'linux' && process.getuid() === 0 ? ensurePrograms(PROGRAMS) : ['Linux, as root']
if (missing.length > 0) {
  print(`NOT RUN: test:image needs ${missing.join(', ')}`)
  process.exit(2)
}

const store = new ImageStore()
try {
  print('making the base images')
  const bases = makeBaseImages(store)
  print('building the image')
  print(build(bases))
  printSizes()
  process.exitCode = await test()
} finally {
  store.remove()
}

function build(bases) {
  const given = [...bases, 'VERSION=1.2.3-test', `REVISION=${REVISION}`, 'SOURCE=https://git.example/riskgate']
  // NPM_REGISTRY of the environment, for a machine that reaches no other.
  if (process.env.NPM_REGISTRY) given.push(`NPM_REGISTRY=${process.env.NPM_REGISTRY}`)
  const arguments_ = given.flatMap(argument => ['--build-arg', argument])
  const options = ['--isolation', 'chroot', '--format', 'docker', '--file', 'deploy/Dockerfile', '--tag', IMAGE]
  const output = store.buildah('build', ...options, ...arguments_, '.')
  return output.match(/^.*: \d+ files, \d+ MB$/gm)?.join('\n') ?? ''
}

/** The parts of the image, each of which is a layer of a build that keeps layers, as Docker's does. */
function printSizes() {
  const root = store.podman('image', 'mount', IMAGE)
  const sizeOf = (...paths) =>
    Number(
      store
        .run('du', ['--summarize', '--bytes', '--total', ...paths])
        .split('\n')
        .at(-1)
        ?.split('\t')[0],
    )
  print('size of each layer:')
  const names = readdirSync(join(root, 'app'))
  for (const name of names) print(`  ${megabytes(sizeOf(join(root, 'app', name)))}  /app/${name}`)
  print(`  ${megabytes(sizeOf(root) - sizeOf(join(root, 'app')))}  the base image`)
  print(`  ${megabytes(sizeOf(root))}  in all\n`)
  store.podman('image', 'unmount', IMAGE)
}

async function test() {
  const env = {
    ...process.env,
    TEST_CONTAINERS: '1',
    TEST_IMAGE: IMAGE,
    TEST_IMAGE_STORE: store.folder,
    TEST_IMAGE_REVISION: REVISION,
  }
  const vitest = spawn(process.execPath, ['test/run.mjs', 'test/containers/image.test.ts'], { stdio: 'inherit', env })
  const [code] = await once(vitest, 'exit')
  return code ?? 1
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`.padStart(9)
}

function print(line) {
  process.stdout.write(`${line}\n`)
}
