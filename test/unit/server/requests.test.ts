import Fastify from 'fastify'
import { expect, it } from 'vitest'
import { AppError } from '../../../src/errors.js'
import { answerBadAddress, answerErrors, type ObserveRefusal } from '../../../src/server/requests.js'
import { answerUnknownAddresses } from '../../../src/server/unknownAddresses.js'

it.each([
  ['/refused', 403, 'FORBIDDEN'],
  ['/broken', 500, 'INTERNAL_SERVER_ERROR'],
  ['/nowhere', 404, 'NOT_FOUND'],
  ['/%zz', 400, 'BAD_REQUEST'],
])('a refusal outside of GraphQL is observed once: %s', async (url, status, code) => {
  const seen: Parameters<ObserveRefusal>[0][] = []
  const reports: unknown[] = []
  const refused: ObserveRefusal = refusal => seen.push(refusal)
  const server = Fastify({ frameworkErrors: answerBadAddress(refused, {}) })
  answerErrors(
    server,
    (_id, error) => reports.push(error),
    refused,
    () => false,
  )
  answerUnknownAddresses(server, refused)
  server.get('/refused', async () => {
    throw new AppError('FORBIDDEN', 'No.')
  })
  server.get('/broken', async () => {
    throw new Error('broken')
  })
  const answer = await server.inject(url)
  await server.close()
  expect(answer.statusCode).toBe(status)
  expect(answer.json()).toMatchObject({ errors: [{ extensions: { code } }] })
  expect(seen).toMatchObject([{ code, status, request: { requestId: expect.any(String), method: 'GET' } }])
  expect(reports).toHaveLength(status === 500 ? 1 : 0)
  // A URL that cannot be decoded is refused before the clock starts.
  if (status === 400) expect(seen[0]?.seconds).toBe(0)
  else expect(seen[0]?.seconds).toBeGreaterThan(0)
})
