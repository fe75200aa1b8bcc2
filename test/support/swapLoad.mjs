// Scores known applications over many connections, a number of times or until it is told to stop, and checks each answer. Started
// with fork().
import { Agent, request } from 'node:http'

let isDone = false
let results
/** The version that scored an applicant first. */
let versionOf

process.on('message', async message => {
  if (message.kind === 'stop') isDone = true
  if (message.kind !== 'start') return
  isDone = false
  versionOf = new Map()
  results = { singles: 0, batches: 0, failed: [], wrong: 0, mixed: 0, moved: 0, versions: {}, latencies: [] }
  await run(message)
  process.send(results)
})
process.on('disconnect', () => process.exit())

/** One connection in eight sends batches. */
async function run(job) {
  const agent = new Agent({ keepAlive: true, maxSockets: job.connections })
  const work = async connection => {
    for (let i = connection; !isDone && i < job.calls; i += job.connections) {
      if (connection % 8 === 0) await sendBatch(agent, job, i)
      else await sendOne(agent, job, i)
    }
  }
  await Promise.all(Array.from({ length: job.connections }, (_, connection) => work(connection)))
  agent.destroy()
}

async function sendOne(agent, job, i) {
  const startedAt = performance.now()
  const answer = await post(agent, job, '/api/predict', applicationOf(job, i))
  results.latencies.push(performance.now() - startedAt)
  results.singles++
  if (answer.probability === undefined) results.failed.push(answer)
  else check(job, i, answer)
}

async function sendBatch(agent, job, i) {
  const rows = Array.from({ length: 20 }, (_, row) => i + row)
  const { results: answers, ...failure } = await post(agent, job, '/api/predict/batch', {
    items: rows.map(row => applicationOf(job, row)),
  })
  results.batches++
  if (!answers) return results.failed.push(failure)
  for (const { index, prediction, errors } of answers) {
    if (prediction) check(job, i + index, prediction)
    else results.failed.push(errors)
  }
  if (new Set(answers.map(({ prediction }) => prediction?.modelVersion)).size > 1) results.mixed++
}

function applicationOf({ rows, model }, i) {
  return { applicantId: applicantOf(i), model, features: rows[i % rows.length] }
}

function applicantOf(i) {
  return `applicant-${i % 500}`
}

/** The probability must be that of the version that the answer names. */
function check({ rows, expected }, i, { probability, modelVersion }) {
  results.versions[modelVersion] = (results.versions[modelVersion] ?? 0) + 1
  const first = versionOf.get(applicantOf(i)) ?? modelVersion
  versionOf.set(applicantOf(i), first)
  if (first !== modelVersion) results.moved++
  if (expected[modelVersion]?.[i % rows.length] !== probability) results.wrong++
}

function post(agent, { url, token }, path, body) {
  return new Promise(resolve => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const call = request(`${url}${path}`, { method: 'POST', agent, headers }, response => {
      const parts = []
      response.on('data', part => parts.push(part))
      response.on('end', () => resolve(JSON.parse(Buffer.concat(parts).toString())))
      response.on('error', error => resolve({ code: error.message }))
    })
    call.on('error', error => resolve({ code: error.message }))
    call.end(JSON.stringify(body))
  })
}
