import { readFileSync } from 'node:fs'
import { ConfigError } from '../errors.js'
import type { RedisAddress } from './redisAddress.js'
import { type LinkReports, type Misfit, RedisLink } from './redisLink.js'

/** The settings of a Redis, as the configuration has them. */
export interface RedisPlace extends Omit<RedisAddress, 'tls'> {
  readonly isEncrypted: boolean
  readonly caFile: string | undefined
}

/** Why a start is refused, by what Redis has shown. */
const SENTENCES: Readonly<Record<Misfit, string>> = {
  'database-in-cluster': 'REDIS_URL names a database, but leads to a cluster, which has only one. Leave out what follows the /.',
  'no-such-database': 'REDIS_URL names a database that this Redis does not have. Name another number.',
  sentinel: 'REDIS_URL leads to a Sentinel. Write redis+sentinel://host:port,host:port/name-of-the-master.',
  'no-cluster': 'REDIS_URL names nodes of a cluster, but leads to a Redis that is none. Name one address, or Sentinels.',
}

/** Connects, and goes on trying for ever. A connection that listens to messages takes no commands. @throws ConfigError where the file of authorities cannot be used */
export function connectRedis(
  { isEncrypted, caFile, ...place }: RedisPlace,
  reports: LinkReports,
  role: 'commands' | 'listens' = 'commands',
): RedisLink {
  const ca = caFile === undefined ? undefined : authorities(caFile)
  return new RedisLink({ ...place, tls: isEncrypted ? { ca } : undefined }, reports, { listens: role === 'listens' })
}

/** What is wrong with the settings by what Redis answers; undefined while it answers nothing of the kind. */
export function misfitSentence({ misfit }: Pick<RedisLink, 'misfit'>): string | undefined {
  return misfit && SENTENCES[misfit]
}

function authorities(file: string): string {
  let pem: string
  try {
    pem = readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError([`RISKGATE_REDIS_CA_FILE names a file that cannot be read (${(error as NodeJS.ErrnoException).code}).`])
  }
  if (!pem.includes('-----BEGIN CERTIFICATE-----'))
    throw new ConfigError(['RISKGATE_REDIS_CA_FILE names a file without a certificate.'])
  return pem
}
