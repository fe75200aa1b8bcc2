import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../../src/config/config.js'
import { loadMlflowConfig } from '../../../src/config/mlflowConfig.js'
import { ConfigError } from '../../../src/errors.js'
import { testFolder } from '../../support/folder.js'

describe('what fetching from MLflow needs', () => {
  const directory = testFolder('mlflow-settings')
  const url = 'https://ml.example/prefix'

  it('is the address, and a token or a user with a password; a database is not', () => {
    const folders = { stateDirectory: resolve('.riskgate'), modelsDirectory: resolve('models') }
    const none = { token: undefined, basic: undefined, maxBytes: 1024 ** 3, downloadMs: 900_000, ...folders }
    const production = { NODE_ENV: 'production', RISKGATE_MLFLOW_URL: url }
    expect(loadMlflowConfig(production)).toEqual({ ...none, url: new URL(url) })
    const file = join(directory, 'token')
    writeFileSync(file, 'a-token\n')
    expect(loadMlflowConfig({ ...production, RISKGATE_MLFLOW_TOKEN_FILE: file }).token).toBe('a-token')
    const basic = { RISKGATE_MLFLOW_USER: 'rg', RISKGATE_MLFLOW_PASSWORD: 'p:w' }
    expect(loadMlflowConfig({ ...production, ...basic }).basic).toEqual({ user: 'rg', password: 'p:w' })
  })

  it.each<[Record<string, string>, string]>([
    [{}, 'RISKGATE_MLFLOW_URL must be set: the tracking URI of MLflow.'],
    [
      { RISKGATE_MLFLOW_URL: url, RISKGATE_MLFLOW_PASSWORD: 'p' },
      'RISKGATE_MLFLOW_USER and RISKGATE_MLFLOW_PASSWORD must be set together.',
    ],
    [
      { RISKGATE_MLFLOW_URL: url, RISKGATE_MLFLOW_TOKEN: 't', RISKGATE_MLFLOW_USER: 'u', RISKGATE_MLFLOW_PASSWORD: 'p' },
      'RISKGATE_MLFLOW_TOKEN must not be set when RISKGATE_MLFLOW_USER is.',
    ],
    [
      { RISKGATE_MLFLOW_URL: url, RISKGATE_MLFLOW_USER: 'a:b', RISKGATE_MLFLOW_PASSWORD: 'p' },
      'RISKGATE_MLFLOW_USER must not contain a colon.',
    ],
  ])('is refused: %j', (variables, problem) => {
    expect(() => loadMlflowConfig(variables)).toThrow(new ConfigError([problem]))
  })
})

describe('what is followed in MLflow', () => {
  const given = { RISKGATE_MLFLOW_URL: 'https://ml.example', RISKGATE_MLFLOW_MODELS: 'loans, Überziehung v2@canary' }

  it('is nothing unless a model is named', () => {
    expect(loadConfig({}).mlflow).toBeUndefined()
    expect(loadConfig({ RISKGATE_MLFLOW_URL: 'https://ml.example' }).mlflow).toBeUndefined()
  })

  it('is the alias of each model, which proposes unless it is said that it decides', () => {
    expect(loadConfig(given).mlflow).toEqual({
      url: new URL('https://ml.example'),
      token: undefined,
      basic: undefined,
      maxBytes: 1024 ** 3,
      downloadMs: 900_000,
      models: [
        { name: 'loans', alias: 'champion' },
        { name: 'Überziehung v2', alias: 'canary' },
      ],
      aliasDecides: false,
      pollMs: 30_000,
      webhookSecret: undefined,
    })
    const more = { RISKGATE_MLFLOW_ALIAS: 'prod', RISKGATE_MLFLOW_ALIAS_EFFECT: 'decides', RISKGATE_MLFLOW_POLL_SECONDS: '5' }
    expect(loadConfig({ ...given, ...more }).mlflow).toMatchObject({
      models: [{ alias: 'prod' }, { alias: 'canary' }],
      aliasDecides: true,
      pollMs: 5_000,
    })
  })

  it.each(['loans@', '@champion', 'loans@a@b', 'a/b', 'a:b', 'loans,,rent', 'a\u0000b'])(
    'has no model %j',
    RISKGATE_MLFLOW_MODELS => {
      expect(() => loadConfig({ ...given, RISKGATE_MLFLOW_MODELS })).toThrow(
        'RISKGATE_MLFLOW_MODELS must be names of registered models',
      )
    },
  )

  it('names no model twice, and every problem is told at once', () => {
    const wrong = {
      RISKGATE_MLFLOW_MODELS: 'loans,loans@canary',
      RISKGATE_MLFLOW_POLL_SECONDS: 'often',
      RISKGATE_MLFLOW_ALIAS: 'a/b',
    }
    expect(() => loadConfig(wrong)).toThrow(
      new ConfigError([
        'RISKGATE_MLFLOW_MODELS must name each model only once.',
        'RISKGATE_MLFLOW_ALIAS must be the name of an alias.',
        'RISKGATE_MLFLOW_POLL_SECONDS must be a whole number.',
      ]),
    )
  })
})
