import { relative } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take longest, in seconds: one that began last would run on beside an idle worker. */
const SECONDS: Readonly<Record<string, number>> = {}

/** Projects in the order of their longest files, so that short files are left to fill the end. */
const PROJECTS = ['integration', 'security', 'api', 'unit', 'isolated', 'faults']

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = (file: TestSpecification) => PROJECTS.indexOf(file.project.name)
    const seconds = (file: TestSpecification) => SECONDS[relative(`${this.ctx.config.root}/test`, file.moduleId)] ?? 0
    return [...files].sort((one, other) => rank(one) - rank(other) || seconds(other) - seconds(one))
  }
}
