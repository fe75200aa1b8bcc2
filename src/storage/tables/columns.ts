import { customType, timestamp } from 'drizzle-orm/pg-core'

export const xid8 = customType<{ data: string }>({ dataType: () => 'xid8' })
// Milliseconds, as JavaScript has them: a keyset page would skip rows whose microseconds were cut off on the way.
export const optionalInstant = () => timestamp({ withTimezone: true, precision: 3 })
export const instant = () => optionalInstant().notNull()
