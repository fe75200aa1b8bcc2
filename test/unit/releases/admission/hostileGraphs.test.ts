import { createHash } from 'node:crypto'
import { copyFile, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { VersionToCheck } from '../../../../src/releases/admission/admission.js'
import type { AdmissionReport } from '../../../../src/releases/admission/admissionReport.js'
import { checkVersion } from '../../../../src/releases/admission/checkVersion.js'
import { readVersion } from '../../../../src/releases/admission/readVersion.js'
import { digestsOf, readGraph } from '../../../../src/releases/admission/versionFiles.js'
import { releaseOf } from '../../../support/folderReleases.js'
import { fixture, rule, TWO_NUMBERS, versionOf } from '../../support/hostileGraphs.js'

const FIXTURES = new URL('../../../fixtures/onnx/', import.meta.url)

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'riskgate-hostile-'))
})
afterEach(() => rm(directory, { recursive: true }))

const row = (amount: number, count: number, more: object = {}) => ({
  features: { amount, count },
  probability: rule(amount, count),
  ...more,
})

/** Checks a version as its folder is now. */
async function checkAgain(version: VersionToCheck): Promise<AdmissionReport> {
  return checkVersion({ ...version, files: await digestsOf(version, version.manifest) })
}

/** Different amounts and counts, with probabilities over the whole range. */
const spread = (rows: number, more: (i: number) => object = () => ({})) =>
  Array.from({ length: rows }, (_, i) => row(1 + (i % 10), (i * 7) % 60, more(i)))

describe('a graph is refused', () => {
  it.each([
    [
      'with an operator that ONNX Runtime does not have',
      'hostile/own-operator',
      /: it uses com\.bank:Score, which ONNX Runtime does not have/,
    ],
    ['with a random operator', 'hostile/random', /: it uses RandomUniformLike, and would answer something else each time/],
    ['that gives log-odds', 'hostile/logits', /golden rows have another probability .* got 499\.375/],
    ['that gives NaN for some rows', 'hostile/some-nan', /4 of 8 golden rows .* got NaN/],
    [
      'with tensors in the folder above',
      'hostile/escapes-above',
      /its tensors are in \.\.\/weights\.bin, which is not in the manifest/,
    ],
    [
      'with tensors in a file of the machine',
      'hostile/escapes-root',
      /its tensors are in \/etc\/hostname, which is not in the manifest/,
    ],
    ['with such a tensor in the body of a branch', 'hostile/escapes-hidden', /its tensors are in \/etc\/hostname, which is not/],
  ])('%s', async (_what, name, says) => {
    const { problems } = await checkVersion(await versionOf(directory, await fixture(`${name}.onnx`)))
    expect(problems).toEqual([expect.stringMatching(says)])
  })

  it('that answers the same to all applications, although its golden rows agree', async () => {
    const golden = spread(20).map(({ features }) => ({ features, probability: 0.5 }))
    const { problems } = await checkVersion(await versionOf(directory, await fixture('hostile/constant.onnx'), golden))
    expect(problems).toEqual([
      'test-model/1/model.onnx: it answers 0.5 to each of 22 different applications. Look for a wrong output column.',
    ])
  })

  it('whose file of tensors is a link out of its folder', async () => {
    const version = await versionOf(directory, await fixture('external.onnx'))
    const weights = await readFile(new URL('external.onnx.data', FIXTURES))
    const external = [{ file: 'external.onnx.data', sha256: createHash('sha256').update(weights).digest('hex') }]
    const manifest = { ...version.manifest, onnx: { ...version.manifest.onnx, external } }
    const outside = await mkdtemp(join(tmpdir(), 'riskgate-outside-'))
    try {
      await writeFile(join(outside, 'weights'), weights)
      await symlink(join(outside, 'weights'), join(directory, 'external.onnx.data'))
      expect((await checkAgain({ ...version, manifest })).problems).toEqual([
        'test-model/1/external.onnx.data is a link to a file outside of its folder. Copy the file into the folder.',
      ])
      await rm(join(directory, 'external.onnx.data'))
      await copyFile(join(outside, 'weights'), join(directory, 'external.onnx.data'))
      expect((await checkAgain({ ...version, manifest })).problems).toEqual([])
    } finally {
      await rm(outside, { recursive: true })
    }
  })
})

describe('golden rows', () => {
  it.each(['half.onnx', 'half-input.onnx'])(
    'may be a thousandth off where the graph computes in half precision: %s',
    async name => {
      const type = name === 'half.onnx' ? 'float32' : 'float16'
      const version = await versionOf(directory, await fixture(name), spread(60))
      const inputs = version.manifest.onnx.inputs.map(input => ({ ...input, type }) as const)
      const half = { ...version, manifest: { ...version.manifest, onnx: { ...version.manifest.onnx, inputs } } }
      expect((await checkAgain(half)).problems).toEqual([])
      const wrong = spread(60).map(({ features, probability }, i) => ({
        features,
        probability: i === 3 ? probability + 2e-3 : probability,
      }))
      await versionOf(directory, await fixture(name), wrong)
      expect((await checkAgain(half)).problems).toEqual([expect.stringMatching(/line 4 .* The tolerance is 0\.001/)])
    },
  )

  it('tell how well a version separates where they say what became of the loans', async () => {
    const rows = spread(200, i => ({ defaulted: i % 3 === 0 }))
    const { quality, bandShares, problems } = await checkVersion(
      await versionOf(directory, await fixture('one-column.onnx'), rows),
    )
    expect(problems).toEqual([])
    expect(quality).toMatchObject({ rows: 200, auc: expect.any(Number) })
    expect(bandShares?.reduce((sum, share) => sum + share)).toBeCloseTo(1, 9)
  })

  it('are read with the bare NaN of pandas as a missing value, and refused with Infinity', async () => {
    const version = await versionOf(directory, await fixture('one-column.onnx'))
    const open = {
      ...version,
      contract: { ...TWO_NUMBERS, features: TWO_NUMBERS.features.map(feature => ({ ...feature, required: false })) },
    }
    await writeFile(join(directory, 'golden.jsonl'), '{"features": {"amount": NaN, "count": 1}, "probability": 0.5}\n')
    expect((await checkAgain(open)).problems).toEqual([expect.stringMatching(/line 1 expected 0\.5, got NaN/)])
    await writeFile(join(directory, 'golden.jsonl'), '{"features": {"amount": Infinity, "count": 1}, "probability": 0.5}\n')
    expect((await checkAgain(open)).problems).toEqual(['test-model/1/golden.jsonl, line 1: amount must be a finite number.'])
    await writeFile(
      join(directory, 'golden.jsonl'),
      '{"features": {"amount": 1, "count": 1}, "probability": 0.5, "defaulted": 1}\n',
    )
    expect((await checkAgain(open)).problems).toEqual([expect.stringMatching(/line 1: "defaulted" must be true or false/)])
  })
})

describe('a candidate beside the champion', () => {
  it('gets a warning where it separates worse, and moves the scores to other bands', async () => {
    const rows = spread(200, i => ({ defaulted: rule(1 + (i % 10), (i * 7) % 60) > 0.3 }))
    const champion = await versionOf(join(directory, 'champion'), await fixture('one-column.onnx'), rows)
    // The candidate takes the columns the other way round, as its library did.
    const swapped = rows.map(each => ({ ...each, probability: rule(each.features.count, each.features.amount) }))
    const candidate = await versionOf(join(directory, 'candidate'), await fixture('one-column.onnx'), swapped)
    const columns = [{ feature: 'count' }, { feature: 'amount' }]
    const inputs = [{ name: 'features', type: 'float32' as const, columns }]
    const manifest = { ...candidate.manifest, onnx: { ...candidate.manifest.onnx, inputs } }
    const report = await checkVersion({ ...candidate, manifest, champion })
    expect(report.problems).toEqual([])
    expect(report.comparison).toMatchObject({ champion: '1', quality: { auc: 1 } })
    expect(report.comparison?.psi).toBeGreaterThan(0.25)
    expect(report.warnings).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/golden\.jsonl: it separates worse than the champion 1: AUC 0\.\d+ after 1\.000/),
        expect.stringMatching(/golden\.jsonl: its scores are spread over the bands otherwise .* PSI \d+\.\d+, above 0\.25/),
      ]),
    )
  })
})

describe('an admitted version', () => {
  it('is loaded where it answers as in its checks, and refused where one bit differs', async () => {
    const version = await versionOf(directory, await fixture('one-column.onnx'))
    const report = await checkVersion(version)
    const release = await releaseOf(version, report)
    expect((await release.score({ amount: 2, count: 0 })).probability).toBeCloseTo(rule(2, 0), 6)
    await release.retire()
    const [first = 0, ...others] = report.answers
    const changed = { ...report, answers: [first + 2 ** -24, ...others] }
    await expect(releaseOf(version, changed)).rejects.toThrow(/^row 1 gets \S+ here, and got \S+ when the version was admitted$/)
    await expect(releaseOf(version, { ...report, answers: others })).rejects.toThrow(
      /its golden rows are not those of its checks/,
    )
  })

  it('is refused where its graph is another one than in its manifest', async () => {
    const version = await versionOf(directory, await fixture('one-column.onnx'))
    await writeFile(join(directory, 'model.onnx'), await fixture('hostile/constant.onnx'))
    expect(await readGraph(version, version.manifest)).toEqual({
      problem: expect.stringContaining('does not have the SHA-256 of its manifest'),
    })
  })

  it('is refused where its files change while they are checked', async () => {
    const version = await versionOf(directory, await fixture('one-column.onnx'))
    const [first = '', ...others] = (await readFile(join(directory, 'golden.jsonl'), 'utf8')).split('\n')
    await writeFile(join(directory, 'golden.jsonl'), [first, first, ...others].join('\n'))
    expect((await checkVersion(version)).problems).toEqual([
      'test-model/1: its files changed while they were checked. Check it again.',
    ])
  })

  it('has another content where its golden rows change', async () => {
    const version = await versionOf(directory, await fixture('one-column.onnx'))
    await writeFile(join(directory, 'golden.jsonl'), '')
    const changed = await readVersion(directory, version.version, TWO_NUMBERS)
    expect(changed.content).not.toBe(version.content)
    expect((await checkVersion({ ...version, ...changed, manifest: version.manifest })).championProblems).toEqual([
      expect.stringMatching(/a champion needs golden rows/),
    ])
  })
})
