import { relative } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** In this order: one that began last would run on beside idle workers. `npm test` prints the slowest at its end. */
const LONGEST = [
  'security/authorization.test.ts',
  'integration/firstStart.test.ts',
  'integration/webhookFaults.test.ts',
  'security/hostileDocuments.test.ts',
  'integration/postgresCrash.test.ts',
  'integration/riskSummary.test.ts',
  'integration/commandLine.test.ts',
  'integration/exportHistory.test.ts',
  'api/slowSubscribers.test.ts',
  'security/rateLimits.test.ts',
  'security/personalData.test.ts',
  'integration/apiKeys.test.ts',
  'integration/keyCommand.test.ts',
  'integration/databaseUrl.test.ts',
  'security/apiKeys.test.ts',
  'security/keyRotation.test.ts',
  'integration/historyReads.test.ts',
  'integration/gatewayCrash.test.ts',
  'unit/alerts/feed.test.ts',
  'unit/server/streams/webSocket.test.ts',
  'unit/auth/keySet.test.ts',
  'unit/webhooks/webhookCourier.test.ts',
]

/** Test files of one project come together, as they share what was imported; short ones are left to fill the end. */
const PROJECTS = ['gateway', 'isolated', 'unit', 'faults']

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const project = (file: TestSpecification) => PROJECTS.indexOf(file.project.name)
    const length = (file: TestSpecification) => {
      const place = LONGEST.indexOf(relative(`${this.ctx.config.root}/test`, file.moduleId))
      return place < 0 ? LONGEST.length : place
    }
    return [...files].sort((one, other) => project(one) - project(other) || length(one) - length(other))
  }
}
