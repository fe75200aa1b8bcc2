import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { describe, expect, it } from 'vitest'
import { REDIS_SERVER, startRedis } from '../support/redis.js'
import { linkTo } from '../support/redisLink.js'

/** What a connection tells before it could be used. */
function lostCode(url: string): Promise<string> {
  return new Promise(resolve => {
    const link = linkTo(url, code => {
      link.disconnect()
      resolve(code)
    })
  })
}

async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `redis://127.0.0.1:${(server.address() as { port: number }).port}`
}

describe.skipIf(!REDIS_SERVER)('a Redis that cannot be used is told with a code, and without the password:', () => {
  it('a wrong password', async () => {
    await using server = await startRedis(undefined, ['--requirepass', 'of the owner'])
    expect(await lostCode(server.url.replace('redis://', 'redis://:hunter2@'))).toBe('WRONGPASS')
  })

  it('a server that speaks another language', async () => {
    const server = createServer(socket => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    expect(await lostCode(await listening(server))).toBe('NOT_REDIS')
    server.close()
  })

  it('a server that says nothing', async () => {
    const open = new Set<{ destroy(): void }>()
    const server = createServer(socket => open.add(socket.on('error', () => {})))
    expect(await lostCode(await listening(server))).toMatch(/^(NO_ANSWER|TIMEOUT)$/)
    for (const socket of open) socket.destroy()
    server.close()
  })

  it('a server that closes each connection', async () => {
    const server = createServer(socket => socket.on('error', () => {}).end())
    expect(await lostCode(await listening(server))).toMatch(/^(NO_ANSWER|CLOSED|ECONNRESET|EPIPE)$/)
    server.close()
  })

  it('nothing that listens', async () => {
    await using server = await startRedis()
    await server.kill()
    expect(await lostCode(server.url)).toBe('ECONNREFUSED')
  })
})
