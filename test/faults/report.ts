import type { FaultOptions, Progress, RunResult } from './alertFaults.js'
import type { FaultEvent } from './faultPlan.js'
import type { Percentiles } from './latencies.js'
import type { Verdict } from './verdict.js'

const MOST_PROBLEMS = 20

export function progressLine({ seconds, raised, received, connected }: Progress, { alerts, sockets }: FaultOptions): string {
  const share = Math.floor((100 * raised) / alerts)
  return `  ${seconds.toFixed(0).padStart(4)} s   ${count(raised)} of ${count(alerts)} alerts (${share} %)   ${count(received)} received   ${connected} of ${sockets} sockets`
}

export function eventLine({ seconds, text }: FaultEvent): string {
  return `  ${seconds.toFixed(1).padStart(6)} s   ${text}`
}

/** The whole result as text for people. */
export function reportText({ sockets }: FaultOptions, result: RunResult, verdict: Verdict): string {
  const { scorer, latencies, outages, cuts, stored, seconds } = result
  const { lost, surplus, outOfOrder, repeatedElsewhere, repeats, resumes, problems } = verdict
  const order = outOfOrder === 0 ? 'kept: on every socket the cursors only grew' : `BROKEN ${count(outOfOrder)} times`
  return [
    '',
    `raised      ${count(scorer.acknowledged.size)} high-risk predictions acknowledged in ${count(scorer.batches)} batches (${count(scorer.sentAgain)} sent again), ${count(stored.size)} in the alerts table`,
    `cut         ${count(cuts.length)} sockets by force; ${count(resumes)} resumes, those after a killed gateway included`,
    `            at ${cuts.map(at => at.toFixed(1)).join(', ')} s`,
    `lost        between ${count(Math.min(...lost))} and ${count(Math.max(...lost))} alerts for each of ${count(sockets)} subscribers`,
    `surplus     ${count(surplus)}`,
    `order       ${order}`,
    `repeated    ${count(repeats)} straight after a resume (allowed: the client sent an older cursor), ${count(repeatedElsewhere)} elsewhere`,
    'latency     receipt minus raisedAt, the time of scoring: an upper bound of commit to client',
    `  all       ${percentilesText(latencies.all())}, including alerts that a resume fetched`,
    `  live      ${percentilesText(latencies.live())}, raised while the subscriber was connected`,
    `  calm      ${percentilesText(latencies.calm(outages))}, the live ones raised while every gateway and Redis was up`,
    `took        ${seconds.toFixed(1)} s`,
    '',
    ...problems.slice(0, MOST_PROBLEMS),
    ...(problems.length > MOST_PROBLEMS ? [`and ${count(problems.length - MOST_PROBLEMS)} more`] : []),
    problems.length === 0 ? 'passed: nothing lost, order kept' : 'FAILED',
    '',
  ].join('\n')
}

function percentilesText({ count: receipts, p50, p99, most }: Percentiles): string {
  return `p50 ${count(p50)} ms, p99 ${count(p99)} ms, most ${count(most)} ms, of ${count(receipts)} receipts`
}

export function count(value: number): string {
  return Number.isNaN(value) ? '-' : value.toLocaleString('en')
}
