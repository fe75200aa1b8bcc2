import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../../src/config/config.js'
import { withLibpqVariables } from '../../../src/config/libpqVariables.js'

describe('the environment of libpq', () => {
  it('gives what the URL leaves out', () => {
    const variables = {
      PGSSLMODE: 'verify-full',
      PGSSLROOTCERT: '/c a.pem',
      PGUSER: 'u',
      PGPASSWORD: 'p&',
      PGDATABASE: 'd',
      PGPORT: '6',
    }
    expect(withLibpqVariables('postgres://db', variables)).toBe(
      'postgres://db?port=6&user=u&password=p%26&dbname=d&sslmode=verify-full&sslrootcert=%2Fc%20a.pem',
    )
  })

  it('gives nothing that the URL says', () => {
    const url = 'postgres://u:p@db:5432/d?sslmode=require'
    const variables = { PGSSLMODE: 'disable', PGHOST: 'x', PGPORT: '1', PGUSER: 'x', PGPASSWORD: 'x', PGDATABASE: 'x' }
    expect(withLibpqVariables(url, variables)).toBe(url)
  })

  it('is checked as the URL is', () => {
    expect(() => loadConfig({ DATABASE_URL: 'postgres://db/d', PGSSLMODE: 'strict' })).toThrow(
      'DATABASE_URL has a sslmode that does not exist',
    )
    expect(loadConfig({ PGSSLMODE: 'strict' }).databaseUrl).toBeUndefined()
  })
})
