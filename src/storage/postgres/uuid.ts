const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** The id as the database writes it; undefined for a text that is not one of our ids, and so belongs to nothing. */
export function asUuid(id: string): string | undefined {
  const lower = id.toLowerCase()
  return UUID.test(lower) ? lower : undefined
}
