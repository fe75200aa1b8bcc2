// Runs a graph in a thread, and ends the process after the run, or while it still runs: node hangingGraph.mjs FOLDER [hangs]
import { readFileSync } from 'node:fs'
import { endProcess } from '../../dist/commands/endProcess.js'
import { packedFeatures } from '../../dist/scoring/worker/packedRows.js'
import { WorkerScorer } from '../../dist/scoring/worker/workerScorer.js'

const [folder, hangs] = process.argv.slice(2)
const { contract, onnx, row } = JSON.parse(readFileSync(`${folder}/model.json`, 'utf8'))
const bytes = new Uint8Array(readFileSync(`${folder}/model.onnx`))
const graph = { bytes, onnx, spellings: new Map(), features: packedFeatures(contract), rowByRow: false }
const scorer = await WorkerScorer.load(graph, { ended: () => {}, longestRunMs: hangs ? 1 : 60_000 })
await scorer.score(Array(hangs ? 20_000 : 1).fill(row)).catch(() => {})
if (!hangs) await scorer.release()
endProcess(7)
