import { expect, it } from 'vitest'
import { parsePythonJson } from '../../../../src/releases/files/pythonJson.js'
import { csvOfExample } from '../../../../src/releases/mlflow/inputExample.js'

it('JSON of Python is read with its NaN as null and its Infinity as such, and texts as they are', () => {
  const text = String.raw`{"a": NaN, "b": [Infinity, -Infinity, NaN], "c": "NaN, [NaN], \"Infinity\"", "NaN": 1}`
  const [inf, c] = [Number.POSITIVE_INFINITY, 'NaN, [NaN], "Infinity"']
  expect(parsePythonJson(text)).toEqual({ a: null, b: [inf, -inf, null], c, NaN: 1 })
})

it.each(['{"a": nan}', '{"a": NaNa}', '{"a": ', 'NaN NaN', '{NaN: 1}'])('%s stays wrong', text => {
  expect(() => parsePythonJson(text)).toThrow(SyntaxError)
})

it('an input example of MLflow is read with NaN and Infinity as values that are not there', () => {
  expect(csvOfExample('{"columns": ["a", "b", "c"], "data": [[1, NaN, Infinity], [-Infinity, "x", null]]}')).toBe(
    '"a","b","c"\n"1",,\n,"x",\n',
  )
})
