/** One series of the text format that Prometheus reads. */
export interface Series {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Family {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly series: readonly Series[]
}

/** Reads the text format of Prometheus, version 0.0.4. */
export function familiesOf(text: string): Family[] {
  const families: (Omit<Family, 'series'> & { series: Series[] })[] = []
  let help = ''
  for (const line of text.split('\n')) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
    if (kind === 'HELP') help = rest
    else if (kind === 'TYPE') families.push({ name, type: rest, help, series: [] })
    else if (line !== '') families.at(-1)?.series.push(seriesOf(line))
  }
  return families
}

function seriesOf(line: string): Series {
  const [, name, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
  if (name === undefined) throw new Error(`This is no series: ${line}`)
  const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, given]) => [label, given])
  return { name, labels: Object.fromEntries(pairs), value: Number(value) }
}
