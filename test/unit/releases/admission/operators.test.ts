import { describe, expect, it } from 'vitest'
import { operatorProblems } from '../../../../src/releases/admission/operators.js'
import { bytesField, numberField } from '../../../../src/scoring/onnx/protobufFields.js'
import { fixture } from '../../support/hostileGraphs.js'

// Messages of onnx.proto, as far as these tests need them.
const text = (number: number, value: string) => bytesField(number, Buffer.from(value))
const message = (number: number, ...fields: Uint8Array[]) => bytesField(number, Buffer.concat(fields))
const node = (operator: string, inputs: string[], output: string, ...more: Uint8Array[]) =>
  message(1, ...inputs.map(name => text(1, name)), text(2, output), text(4, operator), ...more)
const model = (...graph: Uint8Array[]) => message(7, ...graph)

const dropout = (...inputs: string[]) => node('Dropout', inputs, 'p')
const raw = (value: number) => bytesField(9, Uint8Array.of(value))
const packed = (value: number) => bytesField(5, Uint8Array.of(value))
const truth = (field: number, name: string, data: Uint8Array) => message(field, numberField(2, 9), text(8, name), data)
const initializer = (name: string, data: Uint8Array) => truth(5, name, data)
const constant = (name: string, data: Uint8Array) => node('Constant', [], name, message(5, text(1, 'value'), truth(5, '', data)))
const branch = (...graph: Uint8Array[]) => node('If', ['c'], 'p', message(5, text(1, 'then_branch'), message(6, ...graph)))
const dropoutFunction = (...nodes: Uint8Array[]) =>
  message(
    25,
    text(1, 'F'),
    text(10, 'own'),
    text(4, 't'),
    ...nodes.map(each => Buffer.concat([Uint8Array.of(7 * 8 + 2), each.subarray(1)])),
  )

const problem = (what: string) => [`it uses ${what}, and would answer something else each time`]

describe('a Dropout', () => {
  it.each([
    ['has no ratio', model(dropout('s'))],
    ['has a ratio alone', model(dropout('s', 'r'))],
    ['leaves training_mode out', model(dropout('s', 'r', ''))],
    ['has a false training_mode', model(initializer('t', raw(0)), dropout('s', 'r', 't'))],
    ['has a false training_mode, written as a number', model(initializer('t', packed(0)), dropout('s', '', 't'))],
    ['has a false training_mode from a constant', model(constant('t', raw(0)), dropout('s', '', 't'))],
    ['has a false training_mode from around its branch', model(initializer('t', raw(0)), branch(dropout('s', '', 't')))],
    [
      'has a false training_mode in a function',
      Buffer.concat([model(), dropoutFunction(constant('f', raw(0)), dropout('s', '', 'f'))]),
    ],
  ])('may serve where it %s', (_what, bytes) => {
    expect(operatorProblems(bytes)).toEqual([])
  })

  it.each([
    ['is true', model(initializer('t', raw(1)), dropout('s', 'r', 't'))],
    ['is true, written as a number', model(initializer('t', packed(1)), dropout('s', 'r', 't'))],
    ['is a true constant', model(constant('t', raw(1)), dropout('s', '', 't'))],
    ['is computed', model(node('IsNaN', ['s'], 't'), dropout('s', '', 't'))],
    ['is an input with a default', model(message(11, text(1, 't')), initializer('t', raw(0)), dropout('s', '', 't'))],
    ['is true in a branch', model(branch(initializer('t', raw(1)), dropout('s', '', 't')))],
    ['is computed in a branch', model(initializer('t', raw(0)), branch(node('IsNaN', ['s'], 't'), dropout('s', '', 't')))],
    ['is handed to a function', Buffer.concat([model(initializer('t', raw(0))), dropoutFunction(dropout('s', '', 't'))])],
  ])('is refused where its training_mode %s', (_what, bytes) => {
    expect(operatorProblems(bytes)).toEqual(problem('Dropout with training_mode'))
  })

  it.each(['BiasDropout', 'BitmaskDropout', 'BitmaskBiasDropout'])('is refused as %s of ONNX Runtime', operator => {
    expect(operatorProblems(model(node(operator, ['s'], 'p', text(7, 'com.microsoft'))))).toEqual(problem(operator))
  })
})

it('a graph of standard operators may serve', async () => {
  expect(operatorProblems(await fixture('one-column.onnx'))).toEqual([])
})
