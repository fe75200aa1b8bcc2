import { readFileSync } from 'node:fs'

const PACKAGE = new URL('../../package.json', import.meta.url)

/** How this program names itself: in logs, in traces and on the command line. */
export const SERVICE = {
  name: 'riskgate',
  version: (JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string }).version,
} as const
