const ROW = 'id applicantId probability band highRisk channel createdAt requestedBy'
const PAGE = `nodes { ${ROW} } pageInfo { hasNextPage endCursor }`
const BANDS = ['T1', 'T2', 'T3', 'T4', 'T5', 'T6', 'T7', 'T8']
const CHANNELS = ['web', 'mobile', 'branch', 'partner']
const DAY_MS = 86_400_000

/**
 * The documented queries. Their filters are in the document, so that validation reports a field that the schema does not have.
 * `variables` makes the variables of the n-th call from a sample: 100 predictions of the tenant, spread over the whole time.
 * @type {{ name: string, role?: string, query: string, variables?: (sample: Sample, n: number) => Record<string, unknown>, prepare?: string }[]}
 * @typedef {{ applicants: string[], ids: string[], times: Date[], probabilities: number[] }} Sample
 */
export const QUERIES = [
  { name: 'newest first', query: page('', '') },
  {
    name: 'next page, in the middle',
    query: page('$to: DateTime, $after: String', 'filter: { createdAt: { to: $to } }, after: $after'),
    variables: ({ times }, n) => ({ to: times[n % times.length] }),
    isFollowed: true,
  },
  {
    name: 'backwards, in the middle',
    query: `query ($to: DateTime, $before: String) {
      predictions(last: 50, before: $before, filter: { createdAt: { from: $to } }) { nodes { ${ROW} } pageInfo { startCursor } } }`,
    variables: ({ times }, n) => ({ to: times[n % times.length] }),
  },
  {
    name: 'by applicant',
    query: page('$applicant: ID!', 'filter: { applicantId: $applicant }'),
    variables: ({ applicants }, n) => ({ applicant: applicants[n % applicants.length] }),
  },
  {
    name: 'by band',
    query: page('$bands: [RiskBand!]', 'filter: { bands: $bands }'),
    variables: (_, n) => ({ bands: [BANDS[n % BANDS.length]] }),
  },
  {
    name: 'by two bands',
    query: page('$bands: [RiskBand!]', 'filter: { bands: $bands }'),
    variables: (_, n) => ({ bands: [BANDS[n % 7], BANDS[(n % 7) + 1]] }),
  },
  { name: 'high risk', query: page('', 'filter: { highRisk: true }') },
  {
    name: 'by model version',
    query: page('$version: String', 'filter: { model: "consumer-credit", modelVersion: $version }'),
    variables: (_, n) => ({ version: String(1 + (n % 2)) }),
  },
  { name: 'by probability, highest first', query: page('', 'orderBy: PROBABILITY_DESC') },
  { name: 'by probability, lowest first', query: page('', 'orderBy: PROBABILITY_ASC') },
  {
    name: 'a range of probability, in its order',
    query: page('$from: Float', 'filter: { probability: { from: $from, to: 0.9 } }, orderBy: PROBABILITY_ASC'),
    variables: ({ probabilities }, n) => ({ from: probabilities[n % probabilities.length] }),
  },
  {
    name: 'one band with its range, by probability',
    query: page('', 'filter: { bands: [T5], probability: { from: 0.15, to: 0.22 } }, orderBy: PROBABILITY_DESC'),
  },
  {
    name: 'by channel',
    query: page('$channel: String', 'filter: { channel: $channel }'),
    variables: (_, n) => ({ channel: CHANNELS[n % CHANNELS.length] }),
  },
  { name: 'without outcome', query: page('', 'filter: { hasOutcome: false }') },
  { name: 'with outcome', query: page('', 'filter: { hasOutcome: true }') },
  {
    name: 'a week',
    query: page('$from: DateTime, $to: DateTime', 'filter: { createdAt: { from: $from, to: $to } }'),
    variables: weekBefore,
  },
  {
    name: 'a week, by probability',
    query: page('$from: DateTime, $to: DateTime', 'filter: { createdAt: { from: $from, to: $to } }, orderBy: PROBABILITY_DESC'),
    variables: weekBefore,
  },
  { name: 'own predictions of a SCORER', role: 'SCORER', query: page('', '') },
  {
    name: 'one prediction',
    query: `query ($id: ID!) { prediction(id: $id) { ${ROW} } }`,
    variables: ({ ids }, n) => ({ id: ids[n % ids.length] }),
  },
  {
    name: 'applicant with latestPrediction',
    query: `query ($id: ID!) { applicant(id: $id) { id latestPrediction { ${ROW} } predictions(first: 10) { ${PAGE} } } }`,
    variables: ({ applicants }, n) => ({ id: applicants[n % applicants.length] }),
  },
  { name: 'total of all', query: 'query { predictions(first: 1) { total { count exact } nodes { id } } }' },
  {
    name: 'total of high risk',
    query: 'query { predictions(first: 1, filter: { highRisk: true }) { total { count exact } nodes { id } } }',
  },
  {
    name: 'riskSummary, a year by DAY',
    query: `query ($from: DateTime!, $to: DateTime!) { riskSummary(from: $from, to: $to, interval: DAY) {
      total meanProbability highRiskRate observedDefaultRate bands { band count share }
      buckets { start count meanProbability bands { band count } } } }`,
    variables: () => ({ from: new Date(Date.now() - 365 * DAY_MS), to: new Date() }),
  },
  { name: 'alerts, newest page', query: 'query { alerts(last: 50) { nodes { id cursor prediction { id band } } } }' },
]

function weekBefore({ times }, n) {
  const to = times[n % times.length]
  return { from: new Date(to.getTime() - 7 * DAY_MS), to }
}

function page(variables, arguments_) {
  return `query ${variables && `(${variables})`} { predictions(first: 50${arguments_ && `, ${arguments_}`}) { ${PAGE} } }`
}

/** The sample from which the calls choose their variables. */
export async function sampleOf(sql) {
  const rows = await sql`
    select p.* from generate_series(1, 100) as n, lateral (
      select id, applicant_id, created_at, probability from predictions
      where tenant = 'default' and id < (
        select (lpad(to_hex((extract(epoch from now() - (n || ' days')::interval * 3.5) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid)
      order by id desc limit 1) p`
  return {
    applicants: rows.map(row => row.applicant_id),
    ids: rows.map(row => row.id),
    times: rows.map(row => row.created_at),
    probabilities: rows.map(row => row.probability),
  }
}
