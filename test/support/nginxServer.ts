import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makePair } from './certificates.js'
import { endProcess, until } from './process.js'
import { freePort } from './redis.js'

/** Path of nginx; the test command finds or installs it. */
export const NGINX = process.env.TEST_NGINX

const CONFIGURATION = join(import.meta.dirname, '../../deploy/nginx/nginx.conf')

export interface NginxOptions {
  /** host:port of each gateway. */
  readonly gateways: readonly string[]
  /** The certificate of the gateways, for the name `riskgate`. */
  readonly gatewayCertificate: string
  /** For its configuration, its certificate and its log. */
  readonly directory: string
}

/** A line of its access log. */
export interface AccessLine {
  readonly client: string
  readonly method: string
  readonly path: string
  readonly protocol: string
  readonly status: number
  readonly requestId: string
  /** Each gateway that was tried, as nginx lists them: `host:port, host:port`. */
  readonly gateway: string
  readonly gatewayStatus: string
}

/** A real nginx with deploy/nginx/nginx.conf. Only addresses and paths differ. */
export class NginxServer implements AsyncDisposable {
  readonly url: string
  /** Its certificate, which clients must trust. */
  readonly ca: string
  readonly #child: ChildProcess
  readonly #directory: string

  private constructor(port: number, ca: string, directory: string, child: ChildProcess) {
    this.url = `https://127.0.0.1:${port}`
    this.ca = ca
    this.#directory = directory
    this.#child = child
  }

  static async start({ gateways, gatewayCertificate, directory }: NginxOptions): Promise<NginxServer> {
    if (!NGINX) throw new Error('Run the tests by `npm test`, which finds nginx.')
    const [port, ownPort, { cert, key }] = await Promise.all([freePort(), freePort(), makePair()])
    writeFileSync(join(directory, 'tls-certificate'), cert)
    writeFileSync(join(directory, 'gateway-certificate'), gatewayCertificate)
    writeFileSync(join(directory, 'tls-key'), key, { mode: 0o600 })
    const file = join(directory, 'nginx.conf')
    writeFileSync(file, adapted(readFileSync(CONFIGURATION, 'utf8'), { gateways, directory, port, ownPort }))
    const errors = openSync(join(directory, 'error.log'), 'a')
    const arguments_ = ['-e', 'stderr', '-p', directory, '-c', file, '-g', 'daemon off;']
    const child = spawn(NGINX, arguments_, { cwd: directory, stdio: ['ignore', errors, errors] })
    closeSync(errors)
    const server = new NginxServer(port, cert, directory, child)
    const ended = once(child, 'exit').then(([status]) => {
      throw new Error(`nginx ended with ${status}: ${readFileSync(join(directory, 'error.log'), 'utf8')}`)
    })
    ended.catch(() => {})
    // Its own address: no gateway is asked.
    const answers = () =>
      fetch(`http://127.0.0.1:${ownPort}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      )
    await Promise.race([ended, until(answers, 30_000)])
    return server
  }

  log(): AccessLine[] {
    const lines = readFileSync(join(this.#directory, 'access.log'), 'utf8').split('\n').slice(0, -1)
    return lines.map(line => JSON.parse(line) as AccessLine)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endProcess(this.#child.pid, 'SIGTERM')
  }
}

interface Places extends Pick<NginxOptions, 'gateways' | 'directory'> {
  readonly port: number
  readonly ownPort: number
}

/** The configuration with the addresses and paths of a test. Throws where it does not hold what is to be replaced. */
function adapted(text: string, { gateways, directory, port, ownPort }: Places): string {
  const steps: [RegExp, string][] = [
    [/listen 8443 /, `listen 127.0.0.1:${port} `],
    [/127\.0\.0\.1:8080/, `127.0.0.1:${ownPort}`],
    // Before the others: the folder of a test may lie below /tmp too.
    [/\/tmp\//g, `${directory}/`],
    [/\/run\/secrets\//g, `${directory}/`],
    [/\/dev\/stdout/, join(directory, 'access.log')],
    [/^ *server gateway-2:4000 .*\n/gm, ''],
  ]
  const withPlaces = steps.reduce((before, [what, by]) => {
    if (before.search(what) < 0) throw new Error(`deploy/nginx/nginx.conf holds no ${what}`)
    return before.replace(what, by)
  }, text)
  const line = /^ *server gateway-1:4000( .*;)$/gm
  return withPlaces.replace(line, (_line, rest: string) => gateways.map(gateway => `    server ${gateway}${rest}`).join('\n'))
}
