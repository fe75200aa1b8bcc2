import { expect, it } from 'vitest'
import { mlflowLinks } from '../../../../src/releases/mlflow/links.js'

const origin = { source: 'mlflow', name: 'Überziehung v2', version: '3', runId: 'a1b2' } as const

it('a version is linked with its page and its run in MLflow, without credentials', () => {
  const pages = 'https://ml.example/prefix/#'
  expect(mlflowLinks(origin, new URL('https://user:secret@ml.example/prefix/?token=secret'))).toEqual({
    version: `${pages}/models/%C3%9Cberziehung%20v2/versions/3`,
    run: `${pages}/runs/a1b2`,
  })
})

it('a version without a run has no link to one, and a version of the models folder has none at all', () => {
  expect(mlflowLinks({ ...origin, runId: undefined }, new URL('http://ml.example:5000'))?.run).toBeUndefined()
  expect(mlflowLinks({ source: 'folder' }, new URL('http://ml.example:5000'))).toBeUndefined()
})
