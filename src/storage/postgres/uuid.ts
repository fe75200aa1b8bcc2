const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** The id as the database writes it; undefined for a text that is not one of our ids, and so belongs to nothing. */
export function asUuid(id: string): string | undefined {
  const lower = id.toLowerCase()
  return UUID.test(lower) ? lower : undefined
}

/**
 * An SQL expression for a new UUIDv7 (RFC 9562, section 5.7) by the clock of the database. `number`, an expression below 4,096,
 * orders the ids of one statement.
 */
export function newId(number = '0'): string {
  return `(lpad(to_hex(floor(extract(epoch from now()) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(${number}), 3, '0')
    || right(replace(gen_random_uuid()::text, '-', ''), 16))::uuid`
}
