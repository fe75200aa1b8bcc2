import { parentPort } from 'node:worker_threads'
import { OnnxModel } from '../onnx/onnxModel.js'
import { type PackedFeature, unpack } from './packedRows.js'
import type { ThreadAnswer, ThreadGraph, ThreadRequest } from './threadMessages.js'

// The program of a thread that scores. A session of ONNX Runtime cannot cross threads, so the graph is loaded and run here.

interface Loaded {
  readonly model: OnnxModel
  readonly features: readonly PackedFeature[]
}

const port = parentPort
let loaded: Loaded | undefined

port?.on('message', async (request: ThreadRequest) => {
  if (request.kind === 'end') {
    await loaded?.model.release()
    port.close()
    return
  }
  const { id } = request
  try {
    const answers = await answersTo(request)
    port.postMessage({ id, answers } satisfies ThreadAnswer, [answers.buffer])
  } catch (error) {
    const { name, message } = error as Error
    port.postMessage({ id, error: { name, message } } satisfies ThreadAnswer)
  }
})

async function answersTo(request: Exclude<ThreadRequest, { kind: 'end' }>): Promise<Float64Array<ArrayBuffer>> {
  if (request.kind === 'load') {
    loaded = await load(request.graph)
    return new Float64Array()
  }
  if (!loaded) throw new Error('no graph is loaded')
  return Float64Array.from(await loaded.model.run(unpack(request.rows, loaded.features)))
}

async function load({ bytes, onnx, spellings, features, rowByRow }: ThreadGraph): Promise<Loaded> {
  const model = await OnnxModel.load(bytes, { onnx }, spellings)
  if (rowByRow) model.runRowByRow()
  return { model, features }
}
