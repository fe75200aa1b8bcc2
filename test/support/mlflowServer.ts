import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

const RECORDED = new URL('../fixtures/mlflow/rest.txt', import.meta.url)
const ARTIFACTS = '/api/2.0/mlflow-artifacts/artifacts'
const FOLDER = '1/models/m-c4aa6048908748e1b8d4f03a0ecc6716/artifacts'

export interface MlflowCall {
  readonly method: string
  /** With its parameters, decoded. */
  readonly address: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** An answer in place of the recorded one; undefined: the recorded one. */
type Instead = (call: MlflowCall, response: ServerResponse) => boolean

export interface MlflowStandIn extends AsyncDisposable {
  readonly url: URL
  readonly calls: MlflowCall[]
  /** The files of each version, by their path. */
  files: Readonly<Record<string, Uint8Array | string>>
  /** Answers first. True: it did. */
  instead: Instead
}

/** An HTTP server that gives the recorded answers of MLflow 3.17.2, and any files as the artifacts of every version. */
export async function startMlflow(files: MlflowStandIn['files'] = {}): Promise<MlflowStandIn> {
  const recorded = recordedAnswers()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      const address = decodeURIComponent((request.url ?? '').replaceAll('+', ' '))
      const { method = '', headers } = request
      const call = { method, address, headers, body: Buffer.concat(chunks).toString() }
      standIn.calls.push(call)
      if (standIn.instead(call, response)) return
      if (address.startsWith(ARTIFACTS)) return answerArtifact(address, standIn.files, response)
      const answer = recorded.get(`${method} ${address.replace('&max_results=100', '')}`)
      send(response, answer?.status ?? 404, answer?.body ?? '{"error_code":"ENDPOINT_NOT_FOUND"}')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const standIn: MlflowStandIn = {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    calls: [],
    files,
    instead: () => false,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return standIn
}

export function send(
  response: ServerResponse,
  status: number,
  body: string | Uint8Array,
  contentType = 'application/json',
): true {
  response.writeHead(status, { 'content-type': contentType }).end(body)
  return true
}

/** The files of a folder, as the artifacts of a version; `below` is the folder that they are logged in. */
export function filesIn(directory: string, below = ''): Record<string, Uint8Array> {
  return Object.fromEntries(readdirSync(directory).map(name => [`${below}${name}`, readFileSync(join(directory, name))]))
}

/** "### GET /address" or "### POST /address  body: …", then the body, then "HTTP/1.1 200 OK;…" */
function recordedAnswers(): Map<string, { status: number; body: string }> {
  const parts = readFileSync(RECORDED, 'utf8').split(/^### /m).slice(1)
  const answers = parts.map(part => {
    const [head = '', ...lines] = part.split('\n')
    const status = /^HTTP\/1\.1 (\d{3})/m.exec(part)?.[1] ?? '200'
    const body = lines.slice(0, lines.findIndex(line => /^(HTTP\/1\.1|source:) /.test(line)) >>> 0).join('\n')
    return [head.replace(/ {2}body: .*/, ''), { status: Number(status), body: body.trim() }] as const
  })
  return new Map(answers)
}

/** As MLflow hands artifacts out: a listing has the names in one folder, with the sizes of its files. */
function answerArtifact(address: string, files: MlflowStandIn['files'], response: ServerResponse): void {
  const listed = new URLSearchParams(address.split('?')[1]).get('path')
  if (listed === null) {
    const content = files[address.slice(`${ARTIFACTS}/${FOLDER}/`.length)]
    if (content === undefined) send(response, 404, '{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"No such artifact"}')
    else send(response, 200, content, 'application/octet-stream')
    return
  }
  const prefix = `${listed.slice(FOLDER.length + 1)}/`.replace(/^\//, '')
  const here = Object.entries(files).filter(([path]) => path.startsWith(prefix))
  const entries = here.map(([path, content]) => {
    const [name = '', ...rest] = path.slice(prefix.length).split('/')
    const isFile = rest.length === 0
    return { path: name, is_dir: !isFile, ...(isFile && { file_size: Buffer.byteLength(content) }) }
  })
  const distinct = entries.filter(({ path, is_dir }, i) => !is_dir || entries.findIndex(entry => entry.path === path) === i)
  send(response, 200, JSON.stringify({ files: distinct }))
}
