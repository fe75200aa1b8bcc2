import { createHash } from 'node:crypto'

/**
 * Whether an applicant belongs to the share of a challenger, a fraction of all applicants. An applicant stays with it for as long as
 * it is challenger, and with a larger share too. Another challenger gets other applicants.
 */
export function isInShare(model: string, version: string, applicantId: string, share: number): boolean {
  const digest = createHash('sha256')
    .update(JSON.stringify([model, version, applicantId]))
    .digest()
  return digest.readUInt32BE(0) / 2 ** 32 < share
}
