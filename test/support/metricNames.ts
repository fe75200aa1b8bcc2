import type { Family } from './promText.js'

const TYPES = ['counter', 'gauge', 'histogram', 'summary']
const OTHER_UNITS = {
  seconds: [
    'milliseconds',
    'microseconds',
    'nanoseconds',
    'minutes',
    'hours',
    'days',
    'weeks',
    'sec',
    'ms',
    'us',
    'ns',
    's',
    'm',
    'h',
    'd',
  ],
  bytes: ['kilobytes', 'megabytes', 'gigabytes', 'kibibytes', 'mebibytes', 'bits', 'kb', 'mb', 'gb', 'tb', 'kib', 'mib', 'b'],
  ratio: ['percent', 'percentage', 'pct'],
  celsius: ['kelvin', 'fahrenheit'],
}
const SUFFIXES = { count: ['histogram', 'summary'], sum: ['histogram', 'summary'], bucket: ['histogram'] }

/**
 * What is wrong with the name, the labels and the help of a metric (https://prometheus.io/docs/practices/naming). `promtool check metrics`
 * says the same; this runs where it is not installed.
 */
export function misnamed({ name, type, help, series }: Family): string[] {
  const words = name.split('_')
  const labels = new Set(series.flatMap(one => Object.keys(one.labels)))
  const problems: [string, boolean][] = [
    ['is not in lower-case words', !/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name)],
    ['has no help', help.trim() === ''],
    ['is a counter that does not end in _total', type === 'counter' && !name.endsWith('_total')],
    ['ends in _total, and is no counter', type !== 'counter' && name.endsWith('_total')],
    ['has its type in its name', TYPES.some(word => words.includes(word))],
    ...Object.entries(SUFFIXES).map(([end, allowed]): [string, boolean] => [
      `ends in _${end}, which Prometheus keeps for its own series`,
      name.endsWith(`_${end}`) && !allowed.includes(type),
    ]),
    ...Object.entries(OTHER_UNITS).map(([unit, others]): [string, boolean] => [
      `should be in ${unit}`,
      words.some(word => others.includes(word)),
    ]),
    ['has a label le, and is no histogram', labels.has('le') && type !== 'histogram'],
    ['has a label quantile, and is no summary', labels.has('quantile') && type !== 'summary'],
    ['has a label that is not in lower-case words', [...labels].some(label => !/^[a-z][a-z0-9_]*$/.test(label))],
  ]
  return problems.flatMap(([problem, holds]) => (holds ? [`${name} ${problem}`] : []))
}
