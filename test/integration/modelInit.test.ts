import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { init } from '../../src/commands/model/init.js'

const GRAPH = new URL('../fixtures/onnx/one-column.onnx', import.meta.url).pathname
const CODES: Record<string, number> = { middle: 0, low: 1, high: 2 }
const probability = (amount: number, code: number) => 1 / (1 + Math.exp(-(0.5 * amount - 0.25 * code + 0.125)))

describe('riskgate model init', () => {
  let models: string
  let rows: string
  beforeEach(async () => {
    const directory = await mkdtemp(join(tmpdir(), 'riskgate-init-command-'))
    models = join(directory, 'models')
    rows = join(directory, 'rows.csv')
    const lines = Array.from({ length: 30 }, (_, i) => {
      const grade = ['low', 'high', 'middle'][i % 3] as string
      return [i / 5, grade, probability(i / 5, CODES[grade] as number)].join(',')
    })
    await writeFile(rows, ['amount,grade,p', ...lines].join('\n'))
  })
  afterEach(() => rm(join(models, '..'), { recursive: true }))

  it('leaves nothing of a version that would not serve, and works again with --codes', async () => {
    await expect(init(GRAPH, { rows, models, name: 'made' })).rejects.toThrow(
      /problem\(s\) found\. .*made is removed again; --keep/,
    )
    expect(await readdir(models)).toEqual([])
    const codes = ['grade=middle,low,high']
    await init(GRAPH, { rows, models, name: 'made', codes })
    const contract = await readFile(join(models, 'made', 'contract.json'), 'utf8')
    const second = init(GRAPH, { rows, models, name: 'made', modelVersion: '2', codes: ['grade=low,middle,high'] })
    await expect(second).rejects.toThrow(/2 is removed again/)
    expect((await readdir(join(models, 'made'))).sort()).toEqual(['1', 'champion', 'contract.json'])
    expect(await readFile(join(models, 'made', 'contract.json'), 'utf8')).toBe(contract)
  })

  it('leaves it there with --keep', async () => {
    await expect(init(GRAPH, { rows, models, name: 'made', keep: true })).rejects.toThrow(/made is kept\.$/)
    expect(existsSync(join(models, 'made', '1', 'manifest.json'))).toBe(true)
  })
})
