const PERCENT = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 1 })
const INSTANT = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' })
const FIGURE = new Intl.NumberFormat('en', { minimumFractionDigits: 4, maximumFractionDigits: 4 })
const CHANGE = new Intl.NumberFormat('en', { minimumFractionDigits: 4, maximumFractionDigits: 4, signDisplay: 'exceptZero' })
const SHORT = new Intl.NumberFormat('en', { maximumSignificantDigits: 2 })

/** 0.25 as 25%. */
export const percent = (share: number) => PERCENT.format(share)

/** In the time zone of the reader. */
export const instant = (time: string | Date) => INSTANT.format(new Date(time))

export const figure = (value: number) => FIGURE.format(value)

export const signed = (difference: number) => CHANGE.format(difference)

/** With two digits that count: 0.00000011. */
export const short = (value: number) => SHORT.format(value)

export const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`
