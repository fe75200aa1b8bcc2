// The floor: the least that a Node program can do for one durable prediction. No checks, no limits, no authentication.
import { createServer } from 'node:http'
import { createBareScoring, joined } from './bareScoring.mjs'

const { score, store } = await createBareScoring(process.env.DATABASE_URL)
// One run of each at a time costs least, because more at once only makes the groups smaller.
const scoreJoined = joined(score, { maxRunning: 1 })
const storeJoined = joined(
  async rows =>
    store(
      rows.map(({ application }) => application),
      rows.map(({ probability }) => probability),
    ),
  { maxRunning: 1 },
)

async function answer(body, response) {
  const application = JSON.parse(body)
  const probability = await scoreJoined(application)
  const { id, band, created_at: createdAt } = await storeJoined({ application, probability })
  const text = JSON.stringify({ id, applicantId: application.applicantId, probability, band, createdAt })
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text)
}

const server = createServer((request, response) => {
  let body = ''
  request.setEncoding('utf8')
  request.on('data', chunk => {
    body += chunk
  })
  request.on('end', () => {
    answer(body, response).catch(error => {
      process.stderr.write(`${error.stack}\n`)
      response.writeHead(500).end()
    })
  })
})
server.listen(0, '127.0.0.1', () => process.send?.({ url: `http://127.0.0.1:${server.address().port}` }))
