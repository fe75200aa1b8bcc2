import type { Admission } from '../../../src/releases/admission/admission.js'
import { checkVersion } from '../../../src/releases/admission/checkVersion.js'

/** Runs the checks in this process: starting another one takes longer than they do. */
export const ownAdmission: Admission = { check: version => checkVersion(version) }
