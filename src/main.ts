#!/usr/bin/env node
import { type Command, Option, program } from 'commander'
import { DEFAULT_TENANT, ROLES } from './auth/principal.js'
import { collectRole, parseHash, parseInstant, parseLocale, parseSeconds, parseShare, parseTenant } from './commands/arguments.js'
import { EXPORT_FORMATS } from './commands/export/exportFormat.js'
import { ConfigError, EXIT_CONFIG } from './errors.js'
import { SERVICE } from './observability/service.js'

// The command line: names, options and help. Each command is imported when it is called, so that none waits for the code of another.

// The reader may be gone, as behind `| head`. What is written then is lost, and the command still ends with its own exit code.
for (const output of [process.stdout, process.stderr]) output.on('error', () => {})

program
  .name(SERVICE.name)
  .description('A GraphQL gateway for credit-risk scoring.')
  .version(SERVICE.version, '-V, --version', 'print the version')

program
  .command('serve', { isDefault: true })
  .description('start the gateway (default)')
  // An unknown command comes here; commander would report it as an excess argument of `serve`.
  .allowExcessArguments()
  .action(async (_options, { args: [unknown] }: Command) => {
    if (unknown !== undefined) program.error('error: there is no such command; `riskgate --help` lists all')
    const { serve } = await import('./commands/serve.js')
    await serve()
  })

program
  .command('migrate')
  .description('bring the database of DATABASE_URL up to date')
  .action(async () => {
    const { migrate } = await import('./commands/migrate.js')
    await migrate()
  })

program
  .command('upkeep')
  .description('as the owner of the tables: make the partitions of the coming months, and drop those past their retention')
  .action(async () => {
    const { upkeep } = await import('./commands/upkeep.js')
    await upkeep()
  })

program
  .command('token')
  .description('print an access token')
  .requiredOption('--role <role...>', `one or more of ${ROLES.join(', ')}`, collectRole)
  .option('--subject <id>', 'stable id of the client', 'cli')
  .option('--tenant <name>', 'tenant of the client', DEFAULT_TENANT)
  .option('--ttl <time>', 'how long the token is valid, such as 30m, 12h or 7d', parseSeconds, parseSeconds('12h'))
  .action(async options => {
    const { printToken } = await import('./commands/token.js')
    await printToken(options)
  })

const key = program.command('key').description('create, list and revoke API keys')
key
  .command('create')
  .description('create an API key and print it; it is shown only this once')
  .requiredOption('--principal <id>', 'stable id of the client; a new key for the same client can replace the old one')
  .requiredOption('--role <role...>', `one or more of ${ROLES.join(', ')}`, collectRole)
  .option('--tenant <name>', 'tenant of the client', DEFAULT_TENANT)
  .option('--description <text>', 'what the key is for')
  .option('--expires <time>', 'when it expires, such as 2027-06-30, within two years; a year from now by default', parseInstant)
  .action(async options => {
    const { createKey } = await import('./commands/key.js')
    await createKey(options)
  })
key
  .command('list')
  .description('print the active API keys of a tenant, newest first')
  .option('--tenant <name>', 'tenant whose keys to print', parseTenant, DEFAULT_TENANT)
  .option('--all', 'print expired and revoked keys too', false)
  .action(async options => {
    const { listKeys } = await import('./commands/key.js')
    await listKeys(options)
  })
key
  .command('revoke')
  .description('revoke an API key, on every replica within a second')
  .argument('<id>', 'the id of the key, as `riskgate key list` prints it')
  .option('--tenant <name>', 'tenant of the key', parseTenant, DEFAULT_TENANT)
  .action(async (id: string, options) => {
    const { revokeKey } = await import('./commands/key.js')
    await revokeKey(id, options)
  })

const model = program.command('model').description('bring and check models')
model
  .command('init')
  .description('write the folder of a model version from an ONNX file and rows with probabilities, or from MLflow')
  .argument('[file]', 'the ONNX file')
  .option('--rows <file>', 'a CSV file with a header, or a golden.jsonl: inputs with the probability of the library of the model')
  .option('--from-mlflow <uri>', 'in place of a file: models:/NAME@ALIAS or models:/NAME/VERSION')
  .option('--name <name>', 'name of the model, such as consumer-credit; by default that of the file, or that in MLflow')
  .option('--model-version <version>', 'name of the version; 1 by default, or that in MLflow')
  .option('--models <folder>', 'the models folder; by default that of RISKGATE_MODELS_DIR')
  .option('--probability <column>', 'the column that holds the probabilities; by default a usual name')
  .option('--drop <column...>', 'columns that the model does not take')
  .option('--codes <column=categories...>', 'the categories of a column in the order of their codes, such as home=rent,owner')
  .option('--keep', 'leave the folder there although the check finds problems', false)
  .action(async (file: string | undefined, options) => {
    const { init } = await import('./commands/model/init.js')
    await init(file, options)
  })
model
  .command('fetch')
  .description('write the folder of a version in MLflow into the models folder, and check it')
  .argument('<uri>', 'models:/NAME@ALIAS or models:/NAME/VERSION')
  .option('--name <name>', 'name of the model; by default that in MLflow. A logged bundle has its own')
  .option('--models <folder>', 'the models folder; by default that of RISKGATE_MODELS_DIR')
  .action(async (uri: string, options) => {
    const { fetchModel } = await import('./commands/model/fetch.js')
    await fetchModel(uri, options)
  })
model
  .command('check')
  .description('check a models folder, a model, a version or an ONNX file, and print every problem')
  .argument('<path>', 'the folder or the file')
  .option('--json', 'print the reports of the checks as JSON', false)
  .option('--admit', 'put the checked versions into the version store of DATABASE_URL', false)
  .action(async (path: string, options: { json: boolean; admit: boolean }) => {
    const { checkModels } = await import('./commands/model/check.js')
    await checkModels(path, options)
  })

const REASON = ['--reason <text>', 'why, for the audit'] as const
model
  .command('list')
  .description('print the versions that some gateway has checked, with their stages')
  .argument('[model]', 'the name of a model; all models by default')
  .action(async (name: string | undefined) => {
    const { listVersions } = await import('./commands/model/releases.js')
    await listVersions(name)
  })
model
  .command('promote')
  .description('make a version champion, on all gateways within two seconds')
  .argument('<model>', 'the name of the model')
  .argument('<version>', 'the name of the version')
  .requiredOption(...REASON)
  .action(async (name: string, version: string, options) => {
    const { promote } = await import('./commands/model/releases.js')
    await promote(name, version, options)
  })
model
  .command('rollback')
  .description('make the champion before this one champion again')
  .argument('<model>', 'the name of the model')
  .option('--from <version>', 'the champion to leave: with it, a repeated call does not go back twice')
  .requiredOption(...REASON)
  .action(async (name: string, options) => {
    const { rollback } = await import('./commands/model/releases.js')
    await rollback(name, options)
  })
model
  .command('split')
  .description('say which versions get a share beside the champion; one that is not named gets none')
  .argument('<model>', 'the name of the model')
  .option('--challenger <version=share>', 'answers this part of the applicants, such as 3=0.1', parseShare)
  .option('--shadow <version=share>', 'scores this part of the applications, and answers nobody', parseShare)
  .requiredOption(...REASON)
  .action(async (name: string, options) => {
    const { split } = await import('./commands/model/releases.js')
    await split(name, options)
  })
model
  .command('retire')
  .description('take a version out: only a promotion brings it back')
  .argument('<model>', 'the name of the model')
  .argument('<version>', 'the name of the version')
  .requiredOption(...REASON)
  .action(async (name: string, version: string, options) => {
    const { retire } = await import('./commands/model/releases.js')
    await retire(name, version, options)
  })
model
  .command('changes')
  .description('print the newest 100 changes of what serves, made and proposed')
  .argument('[model]', 'the name of a model; all models by default')
  .action(async (name: string | undefined) => {
    const { listChanges } = await import('./commands/model/releases.js')
    await listChanges(name)
  })
model
  .command('approve')
  .description('apply a change that another principal has proposed')
  .argument('<id>', 'the id of the change, as `riskgate model changes` prints it')
  .action(async (id: string) => {
    const { approve } = await import('./commands/model/releases.js')
    await approve(id)
  })
model
  .command('refuse')
  .description('refuse a proposed change')
  .argument('<id>', 'the id of the change, as `riskgate model changes` prints it')
  .requiredOption(...REASON)
  .action(async (id: string, options) => {
    const { refuse } = await import('./commands/model/releases.js')
    await refuse(id, options)
  })
model
  .command('diff')
  .description('print what differs between two versions, and how their scores of the same applications differ')
  .argument('<model>', 'the name of the model')
  .argument('<version>', 'the name of a version')
  .argument('<other>', 'the name of the other version, such as the champion')
  .option('--from <time>', 'the first instant of the applications; 30 days before the end by default', parseInstant)
  .option('--to <time>', 'their end, which is not included; now by default', parseInstant)
  .option('--tenant <name>', 'tenant whose applications to compare', parseTenant, DEFAULT_TENANT)
  .action(async (name: string, version: string, other: string, options) => {
    const { diffVersions } = await import('./commands/model/diff.js')
    await diffVersions(name, version, other, options)
  })

program
  .command('export')
  .description('write the stored predictions of a tenant, oldest first')
  .requiredOption('--from <time>', 'the first instant, such as 2026-11-01 or 2026-11-01T08:30:00Z', parseInstant)
  .requiredOption('--to <time>', 'the end, which is not included', parseInstant)
  .addOption(new Option('--format <format>', 'how rows are written').choices(EXPORT_FORMATS).default('csv'))
  .option('--excel', 'CSV for Excel: byte order mark, and decimal comma and semicolon where the locale has them', false)
  .option('--locale <tag>', 'locale of the Excel that reads it, such as es-ES; that of LC_ALL or LANG by default', parseLocale)
  .option('--output <file>', 'a file instead of standard output')
  .option('--tenant <name>', 'tenant whose predictions to write', parseTenant, DEFAULT_TENANT)
  .option('--features', 'write the inputs too', false)
  .option('--quiet', 'show no progress', false)
  .action(async options => {
    if (options.from >= options.to) throw new Error('--to must be after --from.')
    if (options.excel && options.format !== 'csv') throw new Error('--excel writes CSV: leave --format out.')
    if (options.locale !== undefined && !options.excel) throw new Error('--locale is for --excel: add it, or leave --locale out.')
    const { exportHistory } = await import('./commands/export/exportHistory.js')
    process.exit(await exportHistory(options))
  })

program
  .command('audit')
  .description('work with the audit')
  .command('verify')
  .description('compute all seals of the audit again, and report whether they fit the entries')
  .option('--head <hash>', 'the hash of a seal from a log line: the chain must hold this seal', parseHash)
  .action(async ({ head }) => {
    const { verify } = await import('./commands/audit.js')
    await verify(head)
  })

program
  .command('health')
  .description('ask the gateway of this machine whether it lives')
  .option('--ready', 'ask whether it may get traffic', false)
  .action(async options => {
    const { health } = await import('./commands/health.js')
    await health(options)
  })

program
  .command('doctor')
  .description('check everything that a gateway with these settings needs, and say what to do')
  .action(async () => {
    const { doctor } = await import('./commands/doctor/doctor.js')
    await doctor()
  })

program
  .command('config')
  .description('print the value in effect of every setting, without secrets')
  .action(async () => {
    const { printSettings } = await import('./commands/config.js')
    printSettings()
  })

program
  .command('schema')
  .description('print the GraphQL schema')
  .action(async () => {
    const { printSchema } = await import('./commands/schema.js')
    await printSchema()
  })

program
  .command('openapi')
  .description('print the OpenAPI document of the REST door')
  .action(async () => {
    const { printOpenApi } = await import('./commands/openapi.js')
    await printOpenApi()
  })

program.parseAsync().catch((error: unknown) => {
  const isConfiguration = error instanceof ConfigError
  const problems = isConfiguration ? error.problems : [(error as Error).message]
  for (const problem of problems) process.stderr.write(`riskgate: ${problem}\n`)
  process.exit(isConfiguration ? EXIT_CONFIG : 1)
})
