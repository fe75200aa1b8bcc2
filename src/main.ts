#!/usr/bin/env node
import { readFile } from 'node:fs/promises'
import { Command, InvalidArgumentError, Option } from 'commander'
import { createApp } from './app.js'
import { DEFAULT_TENANT, ROLES, type Role } from './auth/principal.js'
import { collectRole, parseInstant } from './commands/arguments.js'
import { addAuditCommand } from './commands/audit.js'
import { addKeyCommand } from './commands/key.js'
import { ConfigError, EXIT_CONFIG, loadConfig, shownSettings } from './config.js'
import { type ExportOptions, exportHistory } from './export/exportHistory.js'
import { EXPORT_FORMATS } from './export/rowFormat.js'
import { loadContracts, ModelFolderError } from './releases/modelFolder.js'
import { RESOLVERS } from './resolvers/resolvers.js'
import { buildApiSchema } from './schema/build.js'
import { emitSchema } from './schema/emit.js'
import { prepareDatabase } from './start/database.js'
import { signingTokens } from './start/tokens.js'
import { isLostTypeFetch } from './storage/postgres/postgresErrors.js'

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 }

const program = new Command('riskgate').description('A GraphQL gateway for credit-risk scoring.')

program
  .command('serve', { isDefault: true })
  .description('start the gateway (default)')
  // Whatever is no command comes here, and would be told of as an argument too many for `serve`.
  .allowExcessArguments()
  .action((_options, { args: [unknown] }: Command) => {
    if (unknown !== undefined) program.error('error: there is no such command; `riskgate --help` lists all')
    return serve()
  })

program
  .command('migrate')
  .description('bring the database of DATABASE_URL up to date')
  .action(async () => {
    const databaseUrl = required(loadConfig().databaseUrl, 'DATABASE_URL must be set.')
    const tell = (what: string) => process.stderr.write(`riskgate: ${what}\n`)
    await prepareDatabase(databaseUrl, code => tell(`waiting for the database (${code})`), {
      waiting: () => tell('another gateway migrates; waiting'),
    })
  })

program
  .command('token')
  .description('print an access token')
  .requiredOption('--role <role...>', `one or more of ${ROLES.join(', ')}`, collectRole)
  .option('--subject <id>', 'stable id of the client', 'cli')
  .option('--tenant <name>', 'tenant of the client', DEFAULT_TENANT)
  .option('--ttl <time>', 'how long it is valid, such as 30m, 12h or 7d', parseSeconds, 12 * SECONDS.h)
  .action(async ({ role, subject, tenant, ttl }: { role: Role[]; subject: string; tenant: string; ttl: number }) => {
    print(await (await signingTokens(loadConfig())).sign({ subject, tenant, roles: role, ttlSeconds: ttl }))
  })

addKeyCommand(program)

program
  .command('export')
  .description('write the stored predictions of a tenant, oldest first')
  .requiredOption('--from <time>', 'the first instant, such as 2026-11-01 or 2026-11-01T08:30:00Z', parseInstant)
  .requiredOption('--to <time>', 'the end, which is not included', parseInstant)
  .addOption(new Option('--format <format>', 'how rows are written').choices(EXPORT_FORMATS).default('csv'))
  .option('--output <file>', 'a file instead of standard output')
  .option('--tenant <name>', 'whose predictions', DEFAULT_TENANT)
  .option('--features', 'the inputs too', false)
  .option('--quiet', 'tell nothing of the progress', false)
  .action(async (options: ExportOptions) => {
    if (options.from >= options.to) throw new Error('--to must be after --from.')
    process.exit(await exportHistory(loadConfig(), options))
  })

addAuditCommand(program)

program
  .command('config')
  .description('print every setting as it holds, without secrets')
  .action(() => {
    for (const [key, value] of Object.entries(shownSettings())) print(`${key}=${value}`)
  })

program
  .command('schema')
  .description('print the GraphQL schema')
  .action(async () => {
    print(emitSchema(buildApiSchema(RESOLVERS, () => undefined, await loadContracts(loadConfig().modelsDirectory))).trimEnd())
  })

async function serve(): Promise<void> {
  const app = createApp(loadConfig())
  // Node would print the message, which may hold inputs.
  const crash = (error: unknown) => {
    app.crashed(error)
    process.exit(1)
  }
  process.on('uncaughtException', crash)
  process.on('unhandledRejection', error => isLostTypeFetch(error) || crash(error))
  let signals = 0
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // The second one is from somebody who does not want to wait.
      if (++signals > 1) process.exit(1)
      void app.stop().then(() => process.exit(0))
    })
  }
  const started = await app.start().catch((error: unknown) => {
    // Given up for the signal, whose handler ends the process.
    if (signals > 0) return undefined
    throw error
  })
  if (!started) return
  const { url, developmentFile } = started
  if (developmentFile !== undefined && process.stdout.isTTY) print(await welcome(url, developmentFile))
}

async function welcome(url: string, developmentFile: string): Promise<string> {
  const { tokens } = JSON.parse(await readFile(developmentFile, 'utf8')) as { tokens: Record<Role, string> }
  return [
    '',
    `  riskgate      ${url}/graphql`,
    `  playground    ${url}/playground#token=${tokens.ADMIN}`,
    `  tokens        ${developmentFile}`,
    '',
  ].join('\n')
}

function parseSeconds(value: string): number {
  const [, amount, unit] = /^([1-9]\d{0,3})([smhd])$/.exec(value) ?? []
  if (amount === undefined) throw new InvalidArgumentError('It must be a number with a unit, such as 30m, 12h or 7d.')
  return Number(amount) * SECONDS[unit as keyof typeof SECONDS]
}

function required<T>(value: T | undefined, problem: string): T {
  if (value === undefined) throw new ConfigError([problem])
  return value
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

program.parseAsync().catch((error: unknown) => {
  const isConfiguration = error instanceof ConfigError || error instanceof ModelFolderError
  const problems = isConfiguration ? error.problems : [(error as Error).message]
  for (const problem of problems) process.stderr.write(`riskgate: ${problem}\n`)
  process.exit(isConfiguration ? EXIT_CONFIG : 1)
})
