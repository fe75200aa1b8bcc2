import { expect, it } from 'vitest'
import { saidBy } from '../../../../src/scoring/onnx/runtimeSentence.js'

const SOURCE = '/onnxruntime_src/onnxruntime/core'

it.each([
  [
    `${SOURCE}/graph/model.cc:202 onnxruntime::Model::Model(onnx::ModelProto&&, const onnxruntime::ModelOptions&) Unsupported model IR version: 14, max supported IR version: 13\n`,
    'Unsupported model IR version: 14, max supported IR version: 13',
  ],
  [
    `Exception during initialization: ${SOURCE}/providers/cpu/ml/tree.h:120 onnxruntime::ml::Trees<T>::Trees(const onnxruntime::OpKernelInfo&, bool) [with T = float] base_values.size() <= 2 was false. base_values should have 0, 1, or 2 values.`,
    'Exception during initialization: base_values.size() <= 2 was false. base_values should have 0, 1, or 2 values',
  ],
  [
    'Got invalid dimensions for input: x for the following indices\n index: 0 Got: 2 Expected: 8\n Please fix either the inputs/outputs or the model.',
    'Got invalid dimensions for input: x for the following indices index: 0 Got: 2 Expected: 8 Please fix either the inputs/outputs or the model',
  ],
])('what ONNX Runtime says is one line without its source', (message, says) => {
  expect(saidBy(new Error(message))).toBe(says)
})
