import { readFileSync } from 'node:fs'

export type ConsumerCredit = Record<string, number | string | boolean>

/** Probability of default 4.2 % under version 2: band T2. */
export const LOW_RISK: ConsumerCredit = {
  seniority: 1,
  home: 'owner',
  time: 60,
  records: false,
  job: 'fixed',
  expenses: 75,
  income: 214,
  assets: 3500,
  debt: 0,
  amount: 650,
  price: 1645,
}

/** Deep in band T8 under both versions. */
export const HIGH_RISK: ConsumerCredit = {
  seniority: 0,
  home: 'other',
  time: 60,
  records: true,
  job: 'partime',
  expenses: 60,
  income: 50,
  assets: 0,
  debt: 0,
  amount: 1500,
  price: 1600,
}

export interface GoldenRow {
  readonly features: ConsumerCredit
  readonly probability: number
}

/** Inputs with the probabilities that the model's own library gave. */
export function goldenRows(version: string): GoldenRow[] {
  const file = new URL(`../../models/consumer-credit/${version}/golden.jsonl`, import.meta.url)
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as GoldenRow)
}

/** An application as a client sends it. */
export function application(applicantId: string, features: ConsumerCredit = LOW_RISK) {
  return { applicantId, features: { consumerCredit: features } }
}

/** Splits the items, in order, into parts of at most `size`, the most that a batch takes. */
export function inParts<T>(items: readonly T[], size = 100): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))
}
