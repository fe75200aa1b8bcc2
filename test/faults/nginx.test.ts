import { describe, expect, it } from 'vitest'
import { IS_LONG } from '../support/longTests.js'
import { NGINX } from '../support/nginxServer.js'
import { REDIS_SERVER } from '../support/redis.js'
import { type BehindNginxOptions, type BehindNginxResult, runBehindNginx } from './behindNginx.js'
import { judge } from './verdict.js'

/** `npm run test:nginx` runs the long form. */
const OPTIONS: BehindNginxOptions = IS_LONG
  ? { gateways: 3, subscribers: 50, callsPerSecond: 60, restarts: 10, callsBetween: 100, kills: 1, hangs: 1 }
  : { gateways: 2, subscribers: 6, callsPerSecond: 40, restarts: 1, callsBetween: 30, kills: 0, hangs: 0 }

describe.skipIf(!(NGINX && REDIS_SERVER))('gateways behind nginx', () => {
  it('restart, die and hang without a failed call, a double score or a lost alert', async () => {
    const result = await runBehindNginx(OPTIONS)
    const verdict = judge(result)
    process.stdout.write(figures(result, verdict.lost))
    const { load, restartCodes, streams, faults } = result
    expect(result.failed).toEqual([])
    expect(verdict.problems).toEqual([])
    expect(verdict.lost).toEqual(Array(OPTIONS.subscribers).fill(0))
    // No call was scored twice, also where nginx or a client sent it again.
    // Only a refusal without a key may have been stored without an acknowledgement.
    const unknown = result.refused.filter(({ kind, text }) => !kind.endsWith('key') && text.includes('OUTCOME_UNKNOWN')).length
    expect(result.predictions - load.predictions.size).toBeGreaterThanOrEqual(0)
    expect(result.predictions - load.predictions.size).toBeLessThanOrEqual(unknown)
    // Each restart closes the sockets of one gateway, and each socket that was closed has resumed.
    expect(new Set(restartCodes)).toEqual(new Set([1001]))
    expect(sum(result.sockets.map(({ receipts }) => receipts.resumes))).toBeGreaterThanOrEqual(restartCodes.length)
    // A single restart may meet a gateway that has no event stream.
    if (IS_LONG) expect(sum(streams.map(({ receipts }) => receipts.resumes))).toBeGreaterThan(0)
    // Else nothing was tried.
    expect(faults).toHaveLength(OPTIONS.kills + OPTIONS.hangs)
  }, 900_000)
})

function figures(result: BehindNginxResult, lost: readonly number[]) {
  const { load, sockets, streams, restartCodes, stored, predictions, faults, log, failed, refused } = result
  const { gateways, subscribers, restarts } = OPTIONS
  const retried = log.filter(({ gateway, status }) => gateway.includes(', ') && status < 500).length
  const kinds = [...load.answered].map(([kind, count]) => `${count} ${kind}`).join(', ')
  return [
    `behind nginx: ${gateways} gateways, ${subscribers} subscribers, ${restarts} rolling restarts`,
    `  calls       ${load.count} answered (${kinds}), ${failed.length} failed, ${refused.length} refused because the database was too slow for the deadline`,
    `  nginx       answered ${retried} calls from another gateway than it tried first`,
    `  scores      ${load.predictions.size} acknowledged, ${predictions} stored`,
    `  alerts      ${stored.size}; lost for each subscriber: at most ${Math.max(...lost)}`,
    `  sockets     ${restartCodes.length} closed in the restarts, ${restartCodes.filter(code => code === 1001).length} of them with 1001`,
    `  resumes     ${sum(sockets.map(({ receipts }) => receipts.resumes))} of sockets, ${sum(streams.map(({ receipts }) => receipts.resumes))} of event streams`,
    ...faults.map(
      ({ what, unanswered, answeredElsewhere, sentAgain, longestMs }) =>
        `  ${what.padEnd(11)} ${unanswered} requests without an answer: ${answeredElsewhere} answered by nginx from another gateway, ${sentAgain} sent again by clients; the longest call took ${(longestMs / 1_000).toFixed(1)} s`,
    ),
    '',
  ].join('\n')
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
