import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { arch, platform } from 'node:process'
import { ONNX_RUNTIME_VERSION } from '../../scoring/onnx/onnxModel.js'
import type { AdmissionReport } from './admissionReport.js'

const PACKAGE = new URL('../../../package.json', import.meta.url)

/** The programs that run the checks here. The last bit of an answer may differ between processors, so that of this machine is named. */
export function checkingPrograms(): AdmissionReport['checkedBy'] {
  const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string }
  const processor = cpus()[0]?.model ?? 'unknown'
  return { riskgate: version, onnxRuntime: ONNX_RUNTIME_VERSION, platform: `${platform} ${arch}, ${processor}` }
}
