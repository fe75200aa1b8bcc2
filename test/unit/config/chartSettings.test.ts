import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { SECRETS, settings } from '../../../src/config/settings.js'

const DEPLOY = fileURLToPath(new URL('../../../deploy', import.meta.url))
// The chart itself sets these, from its other values.
const SET_BY_CHART = [
  'NODE_ENV',
  'RISKGATE_DEVELOPMENT',
  'RISKGATE_PORT',
  'RISKGATE_MIGRATE_AT_START',
  'RISKGATE_STATE_DIR',
  'RISKGATE_MODELS_DIR',
  'RISKGATE_TLS_CERT_FILE',
  'RISKGATE_TLS_KEY_FILE',
  'RISKGATE_TRUSTED_DOCUMENTS',
]

/** `npm run test:helm` renders the chart; these need no other program. */
describe('the Helm chart and the CloudFormation template', () => {
  const names = Object.keys(settings.shape)

  it('the values of the chart take each setting that is neither secret nor its own', () => {
    const schema = JSON.parse(readFileSync(`${DEPLOY}/helm/riskgate/values.schema.json`, 'utf8'))
    const taken = Object.keys(schema.properties.settings.properties)
    expect(taken.sort()).toEqual(names.filter(name => ![...SECRETS, ...SET_BY_CHART].includes(name)).sort())
  })

  it('name no setting that does not exist', () => {
    const files = readdirSync(DEPLOY, { recursive: true, encoding: 'utf8' }).filter(file =>
      /^(helm|cloud).*\.(ya?ml|tpl)$/.test(file),
    )
    expect(files).toEqual(expect.arrayContaining(['helm/riskgate/templates/_pod.tpl', 'cloud/aws/riskgate.yaml']))
    const known = [...names, ...SECRETS.map(name => `${name}_FILE`)]
    const unknown = files.flatMap(file => namesIn(`${DEPLOY}/${file}`).filter(name => !known.includes(name)))
    expect(unknown).toEqual([])
  })
})

function namesIn(file: string): string[] {
  return readFileSync(file, 'utf8').match(/\b(?:RISKGATE_[A-Z_]+[A-Z]|(?:DATABASE|REDIS)_URL(?:_FILE)?)\b/g) ?? []
}
