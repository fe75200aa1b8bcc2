// A store of images and containers in a folder of its own, which buildah and podman share.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The options with which podman finds the store and runs where there is no systemd. */
export function podmanOptions(folder) {
  return [...storeOptions(folder), '--runtime', 'runc', '--cgroup-manager', 'cgroupfs', '--events-backend', 'none']
}

function storeOptions(folder) {
  return ['--root', join(folder, 'store'), '--runroot', join(folder, 'run'), '--storage-driver', 'overlay']
}

export class ImageStore {
  folder = mkdtempSync(join(tmpdir(), 'riskgate-images-'))

  constructor() {
    for (const name of ['store', 'run', 'tmp']) mkdirSync(join(this.folder, name))
  }

  buildah(...arguments_) {
    return this.run('buildah', [...storeOptions(this.folder), ...arguments_])
  }

  podman(...arguments_) {
    return this.run('podman', [...podmanOptions(this.folder), ...arguments_])
  }

  /** The output of a program that must succeed. */
  run(program, arguments_, options = {}) {
    const env = { ...process.env, TMPDIR: join(this.folder, 'tmp'), DEBIAN_FRONTEND: 'noninteractive' }
    const { status, stdout, stderr } = spawnSync(program, arguments_, {
      encoding: 'utf8',
      env,
      maxBuffer: 256 * 1024 * 1024,
      ...options,
    })
    if (status !== 0) throw new Error(`${program} ${arguments_.join(' ')} ended with ${status}:\n${stdout ?? ''}${stderr ?? ''}`)
    return (stdout ?? '').trim()
  }

  /** Removes all containers and images, and the folder. */
  remove() {
    this.podman('rm', '--all', '--force', '--time', '0')
    this.buildah('rm', '--all')
    spawnSync('umount', [join(this.folder, 'store/overlay')], { stdio: 'ignore' })
    rmSync(this.folder, { recursive: true, force: true })
  }
}
