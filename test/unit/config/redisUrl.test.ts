import { describe, expect, it } from 'vitest'
import { parseRedisUrl } from '../../../src/config/redisUrl.js'

const SECRET = 'canary-7f3a9'

describe('REDIS_URL', () => {
  it.each<[string, string, object]>([
    ['a host', 'redis://cache', { kind: 'server', nodes: [{ host: 'cache', port: 6379 }], database: 0, isEncrypted: false }],
    ['a port', 'redis://cache:6380', { nodes: [{ host: 'cache', port: 6380 }] }],
    ['the port of plain HTTP', 'redis://cache:80', { nodes: [{ host: 'cache', port: 80 }] }],
    ['an address of IPv6', 'redis://[2001:db8::1]:6380', { nodes: [{ host: '2001:db8::1', port: 6380 }] }],
    ['TLS', 'rediss://cache', { isEncrypted: true }],
    ['capitals', 'REDISS://cache', { isEncrypted: true }],
    ['a password alone', 'redis://:p%40ss@cache', { username: undefined, password: 'p@ss' }],
    ['a user', 'redis://gateway:p%3Ass@cache', { username: 'gateway', password: 'p:ss' }],
    [
      'an @ and a comma in a password',
      'redis://gateway:p@s,s@cache',
      { password: 'p@s,s', nodes: [{ host: 'cache', port: 6379 }] },
    ],
    ['a database', 'redis://cache/3', { kind: 'server', database: 3 }],
    ['a database as a parameter', 'redis://cache?db=3', { database: 3 }],
    ['a slash at the end', 'redis://cache:6379/', { database: 0 }],
    ['what other clients add', 'rediss://cache?protocol=3&ssl_cert_reqs=required&family=0', { kind: 'server' }],
    [
      'seeds',
      'rediss://u:p@a:1,b,[::1]:3',
      {
        kind: 'cluster',
        username: 'u',
        password: 'p',
        nodes: [
          { host: 'a', port: 1 },
          { host: 'b', port: 6379 },
          { host: '::1', port: 3 },
        ],
      },
    ],
    [
      'seeds as whole URLs',
      'redis://:p@a, redis://:p@b',
      { kind: 'cluster', password: 'p', nodes: [{ host: 'a' }, { host: 'b' }] },
    ],
    ['seeds as parameters', 'redis://a?addr=b:2', { kind: 'cluster', nodes: [{ host: 'a' }, { host: 'b', port: 2 }] }],
    ['one seed of a cluster', 'redis+cluster://a', { kind: 'cluster', nodes: [{ host: 'a', port: 6379 }] }],
    ['the other spelling', 'rediss-cluster://a', { kind: 'cluster', isEncrypted: true }],
    [
      'Sentinels',
      'redis+sentinel://:p@a,b:1/scores?sentinelPassword=guard',
      {
        kind: 'sentinel',
        nodes: [
          { host: 'a', port: 26379 },
          { host: 'b', port: 1 },
        ],
        masterName: 'scores',
        database: 0,
        password: 'p',
        sentinelPassword: 'guard',
      },
    ],
    ['Sentinels and a database', 'rediss+sentinel://a/scores/2', { masterName: 'scores', database: 2, isEncrypted: true }],
    ['Sentinels as Java writes them', 'redis-sentinel://a,b/2?sentinelMasterId=scores', { masterName: 'scores', database: 2 }],
  ])('reads %s', (_what, url, place) => {
    expect(parseRedisUrl(url)).toMatchObject(place)
  })

  it.each<[string, string, RegExp]>([
    ['no scheme', `${SECRET}:6379`, /^must be redis:/],
    ['another scheme', `http://:${SECRET}@cache`, /^must be redis:/],
    ['no host', `redis://:${SECRET}@`, /^must name a host/],
    ['an empty seed', `redis://:${SECRET}@a,,b`, /^must name a host/],
    ['port 0', `redis://:${SECRET}@cache:0`, /^must name a host/],
    ['a port that is none', `redis://:${SECRET}@cache:x`, /^must name a host/],
    ['a slash in a password', `redis://:${SECRET}/x@cache`, /^must name a host/],
    ['a # in a password', `redis://:${SECRET}#x@cache`, /%23/],
    ['a % in a password', `redis://:${SECRET}%zz@cache`, /%25/],
    ['a database that is no number', 'redis://cache/scores', /^must name the database by its number/],
    ['two databases', 'redis://cache/1/2', /^must name the database by its number/],
    ['a database of a cluster', 'redis://a,b/1', /^names a database of a cluster/],
    ['Sentinels without a name', 'redis+sentinel://a,b', /name that the Sentinels give/],
    ['seeds with two passwords', `redis://:${SECRET}@a,redis://:other@b`, /must agree/],
    ['seeds with and without TLS', 'redis://a,rediss://b', /must agree/],
    ['an unknown parameter', 'redis://cache?maxRetriesPerRequest=9', /has the parameter maxRetriesPerRequest/],
    ['a parameter that turns verification off', 'rediss://cache?ssl_cert_reqs=none', /always verified/],
    ['a parameter of Sentinels', `redis://cache?sentinelPassword=${SECRET}`, /has the parameter sentinelPassword/],
  ])('refuses %s, and repeats no value', (_what, url, problem) => {
    const answer = parseRedisUrl(url)
    expect(answer).toMatch(problem)
    expect(answer).not.toContain(SECRET)
  })
})
