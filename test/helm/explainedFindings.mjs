// Findings of checkov that stay, each with its reason. One that is not found any more must leave the list.

/** `where` names a rendered installation or a template of a cloud; without it, any. */
export const EXPLAINED = [
  {
    check: 'CKV_K8S_11',
    reason: 'No limit of CPU: throttling would delay every call in hand. The request reserves what a replica needs.',
  },
  {
    check: 'CKV_K8S_43',
    where: ['minimal', 'everything on', 'everything off'],
    reason: 'These installations name a tag, which the chart allows. With image.digest, as in production, there is no finding.',
  },
  {
    check: 'CKV_K8S_15',
    where: ['minimal', 'everything on', 'everything off'],
    reason: 'The tag of a release does not move, and a node must be able to start a replica while the registry is away.',
  },
]

/** The findings without an explanation, and the explanations without a finding. */
export function compare(findings) {
  const explains = ({ check, where }, finding) =>
    check === finding.check && (where === undefined || where.includes(finding.where))
  return {
    unexplained: findings.filter(finding => !EXPLAINED.some(explained => explains(explained, finding))),
    unused: EXPLAINED.filter(explained => !findings.some(finding => explains(explained, finding))),
  }
}
