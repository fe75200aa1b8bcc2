const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** The id as the database knows it; undefined for a text that is no id of ours, and so belongs to nothing. */
export function asUuid(id: string): string | undefined {
  const lower = id.toLowerCase()
  return UUID.test(lower) ? lower : undefined
}
