import { existsSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { fetchKeySet } from '../../auth/fetchKeySet.js'
import type { Config } from '../../config/config.js'
import { AdmissionProcess } from '../../releases/admission/admissionProcess.js'
import { type CheckedModel, checkFolder, checkOnly } from '../../releases/folder/checkFolder.js'
import { scanModels } from '../../releases/folder/scanModels.js'
import { checkPair } from '../../server/transport/certificate.js'
import { readPem } from '../../server/transport/liveCertificate.js'
import { type Finding, ok, problem, warning } from './finding.js'

const DAY_MS = 86_400_000
const RENEW_DAYS = 21
const TIMEOUT_MS = 5_000
const LOW_DISK_BYTES = 2 ** 30
const LOW_DISK_SHARE = 0.05

export async function modelFindings({ modelsDirectory, admission: limits }: Config): Promise<Finding[]> {
  const { models, strays } = await scanModels(modelsDirectory)
  const findings = strays.map(folder => warning('models', `${folder} holds no model or version and is passed over.`))
  const admission = new AdmissionProcess(limits)
  try {
    for (const model of models) findings.push(...findingsOfModel(await checkFolder(model, checkOnly(admission))))
  } finally {
    await admission.close()
  }
  return findings
}

function findingsOfModel({ name, versions, problems }: CheckedModel): Finding[] {
  const champion = versions.find(({ stage }) => stage === 'CHAMPION')
  return [
    ...(champion ? [ok('models', `${name}/${champion.version}`)] : []),
    ...problems.map(says => problem('models', says)),
    // The problems of a champion are those of its model.
    ...versions.flatMap(version => (version.problems === problems ? [] : version.problems.map(says => warning('models', says)))),
    ...versions.flatMap(version => version.warnings.map(says => warning('models', says))),
  ]
}

export async function certificateFindings({ tls }: Config): Promise<Finding[]> {
  if (!tls) return [ok('certificate', 'plain HTTP: none needed')]
  const [cert, key] = [readPem('CERT', tls.certFile), readPem('KEY', tls.keyFile)]
  const pair = checkPair({ cert, key }, new Date())
  if ('problem' in pair) return [problem('certificate', pair.problem)]
  const days = Math.floor((pair.expiresAt.getTime() - Date.now()) / DAY_MS)
  const says = `expires in ${days} days`
  return [days < RENEW_DAYS ? warning('certificate', `${says}: renew it.`) : ok('certificate', says)]
}

/** Whether the issuer of tokens gives its keys. */
export async function issuerFindings({ jwt: { jwksUrl, algorithms } }: Config): Promise<Finding[]> {
  if (!jwksUrl) return [ok('token issuer', 'own key: none needed')]
  try {
    const keys = await fetchKeySet({ url: jwksUrl, algorithms, timeoutMs: TIMEOUT_MS }, AbortSignal.timeout(TIMEOUT_MS))
    return [ok('token issuer', `${keys.length} keys`)]
  } catch (error) {
    return [problem('token issuer', `RISKGATE_JWKS_URL gives no keys. ${(error as Error).message}`)]
  }
}

/** The disk below the state directory, which holds the embedded database. That of another database cannot be seen from here. */
export async function diskFindings({ databaseUrl, stateDirectory }: Config): Promise<Finding[]> {
  if (databaseUrl !== undefined) return [ok('disk', 'that of the database cannot be seen from here')]
  if (!existsSync(stateDirectory)) return [ok('disk', 'RISKGATE_STATE_DIR does not exist yet')]
  const { bavail, blocks, bsize } = await statfs(stateDirectory)
  const free = bavail * bsize
  const says = `${Math.floor(free / 2 ** 20).toLocaleString('en')} MiB free for the embedded database`
  const isLow = free < LOW_DISK_BYTES || bavail / blocks < LOW_DISK_SHARE
  return [isLow ? warning('disk', `${says}: make room.`) : ok('disk', says)]
}
