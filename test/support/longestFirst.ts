import { relative } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { LONGEST } from '../fileLists.mjs'

/** Test files of one project come together, as they share what was imported; short ones are left to fill the end. */
const PROJECTS = ['gateway', 'isolated', 'unit', 'faults']

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const project = (file: TestSpecification) => PROJECTS.indexOf(file.project.name)
    const length = (file: TestSpecification) => {
      const place = LONGEST.indexOf(relative(this.ctx.config.root, file.moduleId))
      return place < 0 ? LONGEST.length : place
    }
    return [...files].sort((one, other) => project(one) - project(other) || length(one) - length(other))
  }
}
