import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CheckedModel } from '../../../src/releases/folder/checkFolder.js'
import { initModel } from '../../../src/releases/init/initModel.js'
import type { FeatureValues } from '../../../src/scoring/features.js'
import { championOf, checkModelsOf } from '../../support/folderReleases.js'

const EXPORTED = fileURLToPath(new URL('../../fixtures/models', import.meta.url))
const AS_THEY_ARE = ['b4-lightgbm-zero-as-missing', 'e2-pipeline-bool', 'i14-nan-output', 'i5-fixed-batch-8', 'j-scorecard']
const OTHERS = ['k4-pipeline-xgboost', 'p-newest-opset']

describe('a model as somebody exported it', () => {
  let directory: string
  let checked: readonly CheckedModel[]
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'riskgate-exported-'))
    for (const name of [...AS_THEY_ARE, ...OTHERS]) await cp(join(EXPORTED, name), join(directory, name), { recursive: true })
    await init('i12-column-of-class-0')
    await init('b2-lightgbm-categories-as-text', {
      sex: ['male', 'female'],
      education: ['unknown0', 'graduate', 'university', 'high', 'others', 'unknown5', 'unknown6'],
      marriage: ['other0', 'married', 'single', 'others'],
    })
    checked = await checkModelsOf(directory)
  })
  afterAll(() => rm(directory, { recursive: true }))

  function init(name: string, codes: Record<string, string[]> = {}) {
    const [file, rowsFile] = ['model.onnx', 'rows.jsonl'].map(part => join(EXPORTED, name, part)) as [string, string]
    return initModel({ file, rowsFile, drop: [], codes: new Map(Object.entries(codes)), directory, name, version: '1' })
  }

  it.each(['b2-lightgbm-categories-as-text', 'e2-pipeline-bool', 'i12-column-of-class-0', 'j-scorecard'])(
    'serves, and gives the probabilities of its library: %s',
    async name => {
      const release = await championOf(directory, name)
      const lines = (await readFile(join(directory, name, '1', 'golden.jsonl'), 'utf8')).trim().split('\n')
      const rows = lines.map(line => JSON.parse(line) as { features: FeatureValues; probability: number })
      const scores = await Promise.all(rows.map(({ features }) => release?.score(features)))
      expect(rows.length).toBeGreaterThanOrEqual(30)
      for (const [i, { probability }] of rows.entries()) expect(scores[i]?.probability).toBeCloseTo(probability, 5)
    },
  )

  it.each([
    ['b4-lightgbm-zero-as-missing', /: 27 of 30 golden rows have another probability than the model's own library gave: /],
    ['i14-nan-output', /: 30 of 30 golden rows have another probability .* got NaN/],
    ['i5-fixed-batch-8', /: its input x takes exactly 8 rows a run; export the graph with a free number of rows\.$/],
    ['k4-pipeline-xgboost', /: 17 of 30 golden rows have another probability/],
    ['p-newest-opset', /: it uses operators of opset 28; export it again for opset 26 or older \(target_opset\)\.$/],
  ])('is refused with what to do: %s', (name, says) => {
    const [version] = checked.find(model => model.name === name)?.versions ?? []
    expect(version).toMatchObject({ version: '1', stage: 'REJECTED', problems: [expect.stringMatching(says)] })
  })

  it('takes the column of the class that defaulted, which init found out', async () => {
    const release = await championOf(directory, 'i12-column-of-class-0')
    expect(release?.manifest.onnx.output).toEqual({ name: 's', column: 1 })
  })
})
