// The load generator, in its own process: a closed loop, in which each connection sends its next request after its answer.
import { KeepAliveConnection } from './keepAliveConnection.mjs'
import { heldOutApplications, SHAPES } from './requests.mjs'

const applications = await heldOutApplications()
const prepared = new Map()

/** @param {{ url: string, shape: string, headers: Record<string, string>, connections: number, seconds: number }} order */
async function drive({ url, shape, headers, connections, seconds }) {
  const { requests: make, idsIn } = SHAPES[shape]
  // Each server has its own tokens.
  const key = `${shape} ${url}`
  if (!prepared.has(key)) prepared.set(key, make(applications, headers))
  const requests = prepared.get(key)
  const ids = []
  const latenciesMs = []
  let next = 0
  const sockets = await Promise.all(
    Array.from({ length: connections }, () => KeepAliveConnection.open(Number(new URL(url).port))),
  )
  const startedAt = performance.now()
  const endsAt = startedAt + seconds * 1_000
  try {
    await Promise.all(
      sockets.map(async socket => {
        for (let sentAt = performance.now(); sentAt < endsAt; sentAt = performance.now()) {
          const { status, body } = await socket.send(requests[next++ % requests.length])
          if (status !== 200) throw new Error(`status ${status}: ${body}`)
          ids.push(...idsIn(JSON.parse(body)))
          latenciesMs.push(performance.now() - sentAt)
        }
      }),
    )
  } finally {
    for (const socket of sockets) socket.close()
  }
  const elapsedSeconds = (performance.now() - startedAt) / 1_000
  latenciesMs.sort((a, b) => a - b)
  const percentile = share => latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * share))]
  return { ids, requests: latenciesMs.length, elapsedSeconds, p50: percentile(0.5), p99: percentile(0.99) }
}

process.on('message', order => {
  drive(order).then(
    result => process.send?.({ result }),
    error => process.send?.({ failure: error.message }),
  )
})
