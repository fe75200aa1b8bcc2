const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const TIME = '(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)'
// The three forms of a date in HTTP (RFC 9110, section 5.6.7). `Date.parse` takes the third for local time.
const DATES = [
  `^\\w{3}, (?<day>\\d\\d) (?<month>\\w{3}) (?<year>\\d{4}) ${TIME} GMT$`,
  `^\\w+day, (?<day>\\d\\d)-(?<month>\\w{3})-(?<year>\\d\\d) ${TIME} GMT$`,
  `^\\w{3} (?<month>\\w{3}) (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})$`,
].map(form => new RegExp(form))
// Any number of seconds; some servers write fractions.
const SECONDS = /^\d{1,20}(\.\d{1,20})?$/

/** The headers that say when to come again, each with all its lines. */
export interface WaitHeaders {
  readonly 'retry-after'?: readonly string[] | undefined
  readonly date?: readonly string[] | undefined
}

/**
 * How many seconds an endpoint asks to wait, by Retry-After; undefined where it asks for none, or in no form that there is. The longest
 * of several lines counts. A date is compared with the endpoint's own clock where it tells that: `now` is that of this gateway.
 */
export function retryAfterSeconds({ 'retry-after': lines = [], date = [] }: WaitHeaders, now: number): number | undefined {
  const itsNow = dateIn(date[0] ?? '', now) ?? now
  const waits = lines.map(line => {
    const text = line.trim()
    if (SECONDS.test(text)) return Math.ceil(Number(text))
    const until = dateIn(text, now)
    return until === undefined ? 0 : Math.ceil((until - itsNow) / 1_000)
  })
  const longest = Math.max(0, ...waits)
  return longest > 0 ? longest : undefined
}

/** Milliseconds since 1970. */
function dateIn(text: string, now: number): number | undefined {
  for (const form of DATES) {
    const { day, month = '', year = '', hour, minute, second } = form.exec(text)?.groups ?? {}
    if (day === undefined || !MONTHS.includes(month)) continue
    const at = Date.UTC(fullYear(year, now), MONTHS.indexOf(month), Number(day), Number(hour), Number(minute), Number(second))
    return Number.isNaN(at) ? undefined : at
  }
  return undefined
}

/** A year of two digits is never over fifty years ahead. */
function fullYear(year: string, now: number): number {
  if (year.length === 4) return Number(year)
  const thisYear = new Date(now).getUTCFullYear()
  const inThisCentury = thisYear - (thisYear % 100) + Number(year)
  return inThisCentury > thisYear + 50 ? inThisCentury - 100 : inThisCentury
}
