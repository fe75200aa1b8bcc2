import { readFile } from 'node:fs/promises'
import type { App } from '../app.js'
import type { Role } from '../auth/principal.js'
import { loadConfig } from '../config/config.js'
import { isLostTypeFetch } from '../storage/postgres/postgresErrors.js'
import { endProcess } from './endProcess.js'
import { onStopSignal } from './stopSignals.js'

/**
 * Starts the gateway, and stops it at SIGINT, SIGTERM or SIGHUP; a second signal over a second later ends the process at once.
 * SIGUSR2 switches the log to debug, and back.
 */
export async function serve(): Promise<void> {
  const config = loadConfig()
  let app: App | undefined
  let isStopping = false
  // As early as possible: the first process of a container does not even get a signal that it has not asked for.
  onStopSignal({
    first: () => {
      isStopping = true
      if (app) void app.stop().then(() => endProcess(0))
      else process.exit(0)
    },
    again: () => endProcess(1),
  })
  process.on('SIGUSR2', () => app?.toggleDebugLog())
  // Only after the settings are checked: the import takes over a second, and mistakes in settings are named at once.
  const { createApp } = await import('../app.js')
  const gateway = createApp(config)
  app = gateway
  // Node itself would print the message, which may hold inputs.
  const crash = (error: unknown) => void gateway.crashed(error).finally(() => endProcess(1))
  process.on('uncaughtException', crash)
  process.on('unhandledRejection', error => isLostTypeFetch(error) || crash(error))
  const started = await gateway.start().catch((error: unknown) => {
    // The start was given up because of a signal, whose handler ends the process.
    if (isStopping) return undefined
    throw error
  })
  if (!started) return
  const { url, developmentFile } = started
  if (developmentFile !== undefined && process.stdout.isTTY) process.stdout.write(await welcome(url, developmentFile))
}

async function welcome(url: string, developmentFile: string): Promise<string> {
  const { tokens } = JSON.parse(await readFile(developmentFile, 'utf8')) as { tokens: Record<Role, string> }
  return [
    '',
    `  riskgate      ${url}/graphql`,
    `  playground    ${url}/playground#token=${tokens.ADMIN}`,
    `  tokens        ${developmentFile}`,
    '',
    '',
  ].join('\n')
}
