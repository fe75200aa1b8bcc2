import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { WebSocket } from 'ws'
import { until } from './process.js'

const OPTIONS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--remote-debugging-port=0']

type Params = Record<string, unknown>
interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: Params
  readonly sessionId?: string
  readonly result?: Params
  readonly error?: { readonly message: string }
}

export interface View {
  readonly width: number
  readonly height: number
  readonly dark?: boolean
}

export interface Browser extends AsyncDisposable {
  /** A tab in a profile of its own. `password` is what a person types where the gateway asks for one. */
  open(address: string, password: string, view?: View): Promise<Page>
}

export interface Page {
  /** The addresses that it has asked for. */
  readonly requests: readonly string[]
  /** What it has said on its console, and errors that nobody has caught. */
  readonly complaints: readonly string[]
  evaluate<Value>(expression: string): Promise<Value>
  /** Ends when its text has this. */
  shows(text: string): Promise<void>
  press(key: 'Tab' | 'Enter'): Promise<void>
  /** Each node of the accessibility tree, as role and name. */
  accessible(): Promise<string[]>
  picture(file: string): Promise<void>
}

/** Starts Chromium (Debian: `apt-get install chromium`), and speaks its DevTools protocol. */
export async function startBrowser(): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), 'riskgate-chromium-'))
  const child = spawn('chromium', [...OPTIONS, `--user-data-dir=${profile}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, HOME: profile },
  })
  await once(child, 'spawn')
  const exited = once(child, 'exit')
  const socket = new WebSocket(await devTools(createInterface(child.stderr)))
  await once(socket, 'open')
  const connection = new Connection(socket)
  return {
    open: (address, password, view = { width: 1280, height: 900 }) => connection.open(address, password, view),
    async [Symbol.asyncDispose]() {
      await connection.send('Browser.close').catch(() => child.kill('SIGKILL'))
      await exited
      await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
    },
  }
}

async function devTools(lines: AsyncIterable<string>): Promise<string> {
  for await (const line of lines) {
    const [, address] = /^DevTools listening on (ws:.*)$/.exec(line) ?? []
    if (address) return address
  }
  throw new Error('Chromium ended at its start')
}

class Connection {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (message: Message) => void>()
  readonly #listeners = new Map<string, (method: string, params: Params) => void>()
  #id = 0

  constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', data => this.#take(JSON.parse(String(data)) as Message))
    socket.on('close', () => {
      for (const answer of this.#waiting.values()) answer({ error: { message: 'Chromium has ended' } })
    })
  }

  send(method: string, params: Params = {}, sessionId?: string): Promise<Params> {
    const id = ++this.#id
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }))
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) => {
        this.#waiting.delete(id)
        if (error) reject(new Error(`${method}: ${error.message}`))
        else resolve(result ?? {})
      })
    })
  }

  async open(address: string, password: string, { width, height, dark = false }: View): Promise<Page> {
    const { browserContextId } = await this.send('Target.createBrowserContext')
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank', browserContextId })
    const { sessionId } = (await this.send('Target.attachToTarget', { targetId, flatten: true })) as { sessionId: string }
    const send = (method: string, params: Params = {}) => this.send(method, params, sessionId)
    const [requests, complaints]: [string[], string[]] = [[], []]
    this.#listeners.set(sessionId, (method, params) => {
      if (method === 'Network.requestWillBeSent') requests.push((params as { request: { url: string } }).request.url)
      if (['Runtime.consoleAPICalled', 'Runtime.exceptionThrown', 'Log.entryAdded'].includes(method)) {
        complaints.push(JSON.stringify(params))
      }
      const { requestId } = params
      if (method === 'Fetch.requestPaused') void send('Fetch.continueRequest', { requestId })
      if (method === 'Fetch.authRequired') {
        const authChallengeResponse = { response: 'ProvideCredentials', username: 'anyone', password }
        void send('Fetch.continueWithAuth', { requestId, authChallengeResponse })
      }
    })
    await send('Fetch.enable', { handleAuthRequests: true })
    for (const domain of ['Page', 'Network', 'Runtime', 'Log', 'Accessibility']) await send(`${domain}.enable`)
    await send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 })
    const scheme = { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }
    await send('Emulation.setEmulatedMedia', { features: [scheme] })
    await send('Page.navigate', { url: address })
    return pageOf(send, requests, complaints)
  }

  #take(message: Message): void {
    if (message.id !== undefined) this.#waiting.get(message.id)?.(message)
    else if (message.method) this.#listeners.get(message.sessionId ?? '')?.(message.method, message.params ?? {})
  }
}

type Send = (method: string, params?: Params) => Promise<Params>
interface AxNode {
  readonly ignored: boolean
  readonly role?: { readonly value: string }
  readonly name?: { readonly value: string }
}

function pageOf(send: Send, requests: readonly string[], complaints: readonly string[]): Page {
  const evaluate = async <Value>(expression: string): Promise<Value> => {
    const { result, exceptionDetails } = await send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true })
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails))
    return (result as { value: Value }).value
  }
  return {
    requests,
    complaints,
    evaluate,
    shows: text => until(() => evaluate<boolean>(`!!document.body?.innerText.includes(${JSON.stringify(text)})`), 20_000),
    press: async key => {
      const code = { Tab: 9, Enter: 13 }[key]
      const text = key === 'Enter' ? { text: '\r' } : {}
      await send('Input.dispatchKeyEvent', { type: 'keyDown', key, code: key, windowsVirtualKeyCode: code, ...text })
      await send('Input.dispatchKeyEvent', { type: 'keyUp', key, code: key, windowsVirtualKeyCode: code })
    },
    accessible: async () => {
      const { nodes } = (await send('Accessibility.getFullAXTree')) as unknown as { nodes: AxNode[] }
      return nodes.filter(({ ignored }) => !ignored).map(({ role, name }) => `${role?.value} ${name?.value ?? ''}`.trim())
    },
    picture: async file => {
      const { data } = (await send('Page.captureScreenshot', { captureBeyondViewport: true })) as { data: string }
      await writeFile(file, Buffer.from(data, 'base64'))
    },
  }
}
