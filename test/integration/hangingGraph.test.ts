import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, it } from 'vitest'
import { bigModel } from '../support/bigModel.js'
import { testFolder } from '../support/folder.js'

const PROGRAM = fileURLToPath(new URL('../support/hangingGraph.mjs', import.meta.url))
const folder = testFolder('hanging-graph')

beforeAll(() => {
  const { contract, manifest, graph, rows } = bigModel(100, 1)
  writeFileSync(join(folder, 'model.onnx'), graph)
  writeFileSync(join(folder, 'model.json'), JSON.stringify({ contract, onnx: manifest.onnx, row: rows[0] }))
})

it.each([
  ['is killed where a graph still runs in a thread', ['hangs'], [null, 'SIGKILL']],
  ['ends with its code where no graph runs', [], [7, null]],
])('a process %s', async (_, how, expected) => {
  expect(await once(spawn(process.execPath, [PROGRAM, folder, ...how], { stdio: 'inherit' }), 'exit')).toEqual(expected)
})
