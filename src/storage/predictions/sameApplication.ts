import { isDeepStrictEqual } from 'node:util'
import { and, inArray } from 'drizzle-orm'
import { canonicalTexts } from '../../scoring/canonicalText.js'
import type { NewPrediction, Prediction } from '../../scoring/prediction.js'
import { storedReference } from '../../scoring/reference.js'
import type { Database } from '../postgres/database.js'
import { predictions } from '../tables/predictions.js'

/** An application that was sent with a used key, and the first prediction of that key. */
export interface Repeat {
  readonly row: NewPrediction
  readonly first: Prediction
}

/**
 * The repeats that send the application of their first prediction, compared by its texts in their canonical form. A digest that an older
 * version stored is of the texts as they came: it cannot tell another spelling from another application.
 */
export async function sameApplications(database: Database, repeats: readonly Repeat[]): Promise<ReadonlySet<NewPrediction>> {
  const alike = repeats.filter(
    ({ row: { prediction }, first }) =>
      prediction.applicantId === storedReference(first.applicantId) &&
      prediction.model === first.model &&
      prediction.channel === (first.channel === null ? null : storedReference(first.channel)),
  )
  if (alike.length === 0) return new Set()
  const [tenants, ids] = [alike.map(({ first }) => first.tenant), alike.map(({ first }) => first.id)]
  const found = await database.readAhead(({ db }) =>
    db
      .select({ id: predictions.id, features: predictions.features })
      .from(predictions)
      .where(and(inArray(predictions.tenant, tenants), inArray(predictions.id, ids))),
  )
  const featuresOf = new Map(found.map(({ id, features }) => [id, canonicalTexts(features)]))
  const isSame = ({ row, first }: Repeat) => isDeepStrictEqual(JSON.parse(JSON.stringify(row.features)), featuresOf.get(first.id))
  return new Set(alike.filter(isSame).map(({ row }) => row))
}
