// Scores and stores batches of 100 rows without HTTP or GraphQL, as a comparison for predictRiskBatch.
import { createBareScoring } from './bareScoring.mjs'
import { batchesOf, heldOutApplications } from './requests.mjs'

const { score, store } = await createBareScoring(process.env.DATABASE_URL)
const batches = batchesOf(await heldOutApplications())

/** @param {{ connections: number, seconds: number }} order */
async function run({ connections, seconds }) {
  const ids = []
  let next = 0
  const startedAt = performance.now()
  const endsAt = startedAt + seconds * 1_000
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() < endsAt) {
        const batch = batches[next++ % batches.length]
        for (const { id } of await store(batch, await score(batch))) ids.push(id)
      }
    }),
  )
  return { ids, requests: ids.length / batches[0].length, elapsedSeconds: (performance.now() - startedAt) / 1_000 }
}

process.on('message', message => {
  if (message === 'cpu') return
  run(message).then(
    result => process.send?.({ result }),
    error => process.send?.({ failure: error.message }),
  )
})
process.send?.({ url: '' })
