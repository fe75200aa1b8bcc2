import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate } from 'selfsigned'

export interface TestPair {
  readonly cert: string
  readonly key: string
}

const DAY_MS = 86_400_000

export interface PairOptions {
  readonly name?: string
  readonly keyType?: 'ec' | 'rsa'
  readonly validDays?: number
  readonly fromDays?: number
}

/** A self-signed certificate for this machine. */
export async function makePair(options: PairOptions = {}): Promise<TestPair> {
  const { name = 'riskgate.test', keyType = 'ec', validDays = 90, fromDays = -1 } = options
  const inDays = (days: number) => new Date(Date.now() + days * DAY_MS)
  const { cert, private: key } = await generate([{ name: 'commonName', value: name }], {
    keyType,
    algorithm: 'sha256',
    notBeforeDate: inDays(fromDays),
    notAfterDate: inDays(validDays),
    extensions: [
      { name: 'basicConstraints', cA: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 7, ip: '127.0.0.1' },
          { type: 2, value: name },
        ],
      },
    ],
  })
  return { cert: `${cert.trim()}\n`, key }
}

export interface MountedSecret extends AsyncDisposable {
  readonly certFile: string
  readonly keyFile: string
  /** Replaces both files at once, by moving a link. */
  swap(pair: TestPair): Promise<void>
}

/** A secret as Kubernetes mounts it: the files are links through `..data`, and a renewal points `..data` at another folder. */
export async function mountSecret(first: TestPair): Promise<MountedSecret> {
  const directory = await mkdtemp(join(tmpdir(), 'riskgate-tls-'))
  let version = 0
  const swap = async ({ cert, key }: TestPair) => {
    const folder = `..v${++version}`
    await mkdir(join(directory, folder))
    await writeFile(join(directory, folder, 'tls.crt'), cert)
    await writeFile(join(directory, folder, 'tls.key'), key)
    await symlink(folder, join(directory, '..new'))
    await rename(join(directory, '..new'), join(directory, '..data'))
  }
  await swap(first)
  for (const file of ['tls.crt', 'tls.key']) await symlink(join('..data', file), join(directory, file))
  return {
    certFile: join(directory, 'tls.crt'),
    keyFile: join(directory, 'tls.key'),
    swap,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}
