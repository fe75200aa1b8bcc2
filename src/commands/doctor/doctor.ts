import { type Config, loadConfig } from '../../config/config.js'
import { diagnose } from '../../storage/diagnosis.js'
import { withDatabaseUntilSignal } from '../commandDatabase.js'
import { connectionFindings } from './connectionFindings.js'
import { databaseFindings } from './databaseFindings.js'
import { type Finding, ok, print, problem } from './finding.js'
import { certificateFindings, diskFindings, issuerFindings, modelFindings } from './machineFindings.js'
import { proxyFindings, redisFindings, webhookFindings } from './networkFindings.js'

/**
 * Checks everything that a gateway with these settings needs, and prints a line for each check with what to do. It changes nothing. The
 * exit code is 1 when there is a problem.
 * @throws ConfigError for settings that cannot be used
 */
export async function doctor(): Promise<void> {
  const config = loadConfig()
  let problems = 0
  const checks: [string, (config: Config) => Promise<Finding[]>][] = [
    ['models', modelFindings],
    ['certificate', certificateFindings],
    ['token issuer', issuerFindings],
    ['Redis', redisFindings],
    ['webhooks', webhookFindings],
    ['proxies', proxyFindings],
    ['disk', diskFindings],
    ['database connection', connectionFindings],
    ['database', config => withDatabaseUntilSignal(config, async database => databaseFindings(await diagnose(database), config))],
  ]
  print(ok('settings', 'complete'))
  for (const [name, check] of checks) {
    for (const finding of await check(config).catch((error: Error) => [problem(name, error.message)])) {
      if (finding.state === 'problem') problems++
      print(finding)
    }
  }
  process.exitCode = problems === 0 ? 0 : 1
}
