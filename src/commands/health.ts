import { get as getHttp, type IncomingMessage } from 'node:http'
import { get as getHttps } from 'node:https'
import { text } from 'node:stream/consumers'
import { type Config, loadConfig } from '../config/config.js'

const TIMEOUT_MS = 3_000

/**
 * Asks the gateway that runs on this machine with these settings whether it lives, or with `ready` whether it may get traffic, and
 * prints its answer. Images have no curl for that.
 * @throws Error with a sentence when the answer is no, or there is none in time
 */
export async function health({ ready }: { ready: boolean }): Promise<void> {
  const { status, body } = await ask(addressOf(loadConfig(), ready ? '/readyz' : '/healthz'))
  if (status !== 200) throw new Error(`The gateway answers ${status}: ${body}`)
  process.stdout.write(`${body}\n`)
}

function addressOf({ host, port, tls }: Config, path: string): URL {
  if (port === 0) throw new Error('RISKGATE_PORT is 0: nobody can know which port the gateway has chosen.')
  const url = new URL(path, tls ? 'https://localhost' : 'http://localhost')
  url.hostname = loopbackOf(host)
  url.port = String(port)
  return url
}

/** A gateway that listens everywhere also listens at the loopback address. */
function loopbackOf(host: string): string {
  if (host === '0.0.0.0' || host === 'localhost') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

async function ask(url: URL): Promise<{ status: number | undefined; body: string }> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      // The certificate names the public host, and nothing secret is sent. No agent: an open connection would keep this process.
      const options = { signal, agent: false, rejectUnauthorized: false }
      const get = url.protocol === 'https:' ? getHttps : getHttp
      get(url, options, resolve).on('error', reject)
    })
    return { status: response.statusCode, body: await text(response) }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Error(`The gateway does not answer at ${url.host} (${signal.aborted ? `within ${TIMEOUT_MS / 1_000} s` : code}).`)
  }
}
