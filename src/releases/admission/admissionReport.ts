import { z } from 'zod'
import { RISK_BANDS } from '../../scoring/bands.js'

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const share = z.number().min(0).max(1)

/** How well the probabilities of a version separate applications whose outcome is known. */
const quality = z.object({
  rows: z.number().int(),
  auc: z.number(),
  ks: z.number(),
  gini: z.number(),
  brier: z.number(),
})

/** What the checks of a version found. It is stored with the version, signed, and shown to those who judge versions. */
export const admissionReportSchema = z.object({
  model: z.string(),
  version: z.string(),
  /** SHA-256 of everything that was checked: files, contract, and the programs that ran the checks. */
  content: sha256,
  checkedAt: z.iso.datetime(),
  /** The programs that ran the checks. */
  checkedBy: z.object({ riskgate: z.string(), onnxRuntime: z.string(), platform: z.string() }),
  /** Why the version must not serve; none where it may. */
  problems: z.array(z.string()),
  /** Why the version must not be champion, although it may serve as a shadow: it has no golden rows. */
  championProblems: z.array(z.string()),
  /** What the checks could not prove. */
  warnings: z.array(z.string()),
  /** Whether the graph gives a row other bits in company than alone, so that rows are run one by one. */
  rowByRow: z.boolean(),
  golden: z.object({ rows: z.number().int(), worstDeviation: z.number() }).optional(),
  /** The probabilities of the first golden rows and of the edges, to compare with those of a loaded model bit by bit. */
  answers: z.array(z.number()),
  /** The share of the scored rows in each band, T1 to T8. */
  bandShares: z.array(share).length(RISK_BANDS.length).optional(),
  quality: quality.optional(),
  /** Compared with the champion on the same rows. `psi` is the population stability index over the champion's bands. */
  comparison: z.object({ champion: z.string(), psi: z.number(), quality: quality.optional() }).optional(),
  /** Milliseconds in the process of the checks; bytes of memory at its peak. */
  cost: z
    .object({ loadMs: z.number(), rowMs: z.number(), groupMs: z.number(), groupRows: z.number().int(), peakBytes: z.number() })
    .optional(),
})

export type AdmissionReport = z.infer<typeof admissionReportSchema>
