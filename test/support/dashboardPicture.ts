import type { Panel } from '../../deploy/grafana/dashboards.mjs'

/** One curve of a panel: times in seconds since 1970. */
export interface Curve {
  readonly name: string
  readonly points: readonly (readonly [number, number])[]
}

export interface DrawnPanel extends Panel {
  readonly curves: readonly Curve[]
}

const COLOURS = [
  '#73bf69',
  '#f2cc0c',
  '#8ab8ff',
  '#ff780a',
  '#f2495c',
  '#5794f2',
  '#b877d9',
  '#ffa6b0',
  '#96d98d',
  '#c0d8ff',
  '#fade2a',
  '#705da0',
]
const COLUMN = 58
const ROW = 30
const GAP = 8
const INNER = { left: 52, top: 30, bottom: 44, right: 10 }

/** A page that shows the panels of a dashboard with their real curves, in Grafana's layout. Returns its height, too. */
export function pageOf(title: string, panels: readonly DrawnPanel[]): { html: string; width: number; height: number } {
  const height = Math.max(...panels.map(({ gridPos: { y, h } }) => y + h)) * ROW + 50
  const drawn = panels.map(panel => {
    const { x, y, w, h } = panel.gridPos
    const [width, tall] = [w * COLUMN - GAP, h * ROW - GAP]
    return `<g transform="translate(${x * COLUMN + GAP},${y * ROW + 46})"><rect width="${width}" height="${tall}" rx="3" fill="#181b1f"/>
<text x="10" y="18" class="t">${escaped(panel.title)}</text>${inside(panel, width, tall)}</g>`
  })
  const width = 24 * COLUMN + GAP
  const html = `<!doctype html><meta charset="utf-8"><style>body{margin:0;background:#111217}
text{font:11px sans-serif;fill:#9da5b8}.t{font-size:12px;fill:#d8d9da}.n{font-size:30px;fill:#73bf69}.h{font-size:18px;fill:#fff}</style>
<svg width="${width}" height="${height}"><text x="10" y="28" class="h">${escaped(title)}</text>${drawn.join('\n')}</svg>`
  return { html, width, height }
}

function inside(panel: DrawnPanel, width: number, height: number): string {
  const { unit = 'short' } = panel.fieldConfig.defaults
  if (panel.type === 'stat') {
    const newest = panel.curves[0]?.points.at(-1)?.[1] ?? 0
    return `<text x="${width / 2}" y="${height / 2 + 22}" text-anchor="middle" class="n">${shown(newest, unit)}</text>`
  }
  return panel.type === 'heatmap' ? heatmap(panel, width, height) : curves(panel, unit, width, height)
}

function curves({ curves: all, fieldConfig }: DrawnPanel, unit: string, width: number, height: number): string {
  const isStacked = fieldConfig.defaults.custom?.stacking.mode === 'normal'
  const shownCurves = isStacked ? stacked(all) : all
  const values = shownCurves.flatMap(({ points }) => points.map(([, value]) => value))
  const [low, high] = [Math.min(0, ...values), fieldConfig.defaults.max ?? (Math.max(...values, 0) || 1)]
  const { x, y } = scales(all, low, high, width, height)
  const grid = [0, 0.5, 1].map(part => {
    const value = low + (high - low) * part
    return `<line x1="${INNER.left}" x2="${width - INNER.right}" y1="${y(value)}" y2="${y(value)}" stroke="#2c3235"/>
<text x="${INNER.left - 6}" y="${y(value) + 4}" text-anchor="end">${shown(value, unit)}</text>`
  })
  const lines = shownCurves.map(({ points }, i) => {
    const path = points.map(([time, value]) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`).join(' ')
    const [first, last] = [points[0]?.[0] ?? 0, points.at(-1)?.[0] ?? 0]
    const area = `${x(first).toFixed(1)},${y(low)} ${path} ${x(last).toFixed(1)},${y(low)}`
    const fill = isStacked ? `<polygon points="${area}" fill="${colour(i)}"/>` : ''
    return `${fill}<polyline points="${path}" fill="none" stroke="${colour(i)}" stroke-width="1.5"/>`
  })
  // A stack is painted from its top: each lower curve covers the part below.
  return grid.join('') + (isStacked ? lines.reverse() : lines).join('') + legend(all, width, height)
}

/** Each curve on top of those before it. */
function stacked(all: readonly Curve[]): Curve[] {
  const below = new Map<number, number>()
  return all.map(({ name, points }) => ({
    name,
    points: points.map(([time, value]) => {
      const top = (below.get(time) ?? 0) + value
      below.set(time, top)
      return [time, top] as const
    }),
  }))
}

function heatmap({ curves: all }: DrawnPanel, width: number, height: number): string {
  const bounds = [...all].sort((a, b) => Number(a.name.replace('+Inf', 'Infinity')) - Number(b.name.replace('+Inf', 'Infinity')))
  const cells = bounds.map(({ name, points }, i) => {
    const lower = new Map(bounds[i - 1]?.points ?? [])
    return { name, points: points.map(([time, value]) => [time, Math.max(0, value - (lower.get(time) ?? 0))] as const) }
  })
  const most = Math.max(...cells.flatMap(({ points }) => points.map(([, value]) => value)), 1e-9)
  const { x } = scales(all, 0, 1, width, height)
  const tall = (height - INNER.top - 16) / cells.length
  const [first, second] = all[0]?.points ?? []
  const wide = first && second ? x(second[0]) - x(first[0]) : 4
  return cells
    .map(({ name, points }, i) => {
      const top = height - 10 - (i + 1) * tall
      const row = points.map(
        ([time, value]) =>
          `<rect x="${x(time).toFixed(1)}" y="${top.toFixed(1)}" width="${wide.toFixed(1)}" height="${(tall - 1).toFixed(1)}" fill="#ff780a" opacity="${Math.sqrt(value / most).toFixed(2)}"/>`,
      )
      return `<text x="${INNER.left - 6}" y="${(top + tall / 2 + 4).toFixed(1)}" text-anchor="end">${name}</text>${row.join('')}`
    })
    .join('')
}

function scales(all: readonly Curve[], low: number, high: number, width: number, height: number) {
  const times = all.flatMap(({ points }) => points.map(([time]) => time))
  const [from, to] = [Math.min(...times), Math.max(...times)]
  return {
    x: (time: number) => INNER.left + ((time - from) / (to - from || 1)) * (width - INNER.left - INNER.right),
    y: (value: number) => height - INNER.bottom - ((value - low) / (high - low || 1)) * (height - INNER.top - INNER.bottom),
  }
}

function legend(all: readonly Curve[], width: number, height: number): string {
  let [x, y] = [INNER.left, height - 24]
  return all
    .map(({ name }, i) => {
      const long = name.length * 7 + 28
      if (x + long > width - INNER.right) [x, y] = [INNER.left, y + 14]
      const entry = `<rect x="${x}" y="${y - 4}" width="12" height="3" fill="${colour(i)}"/><text x="${x + 16}" y="${y}">${escaped(name)}</text>`
      x += long
      // Two lines; a long list ends there.
      return y < height ? entry : ''
    })
    .join('')
}

const colour = (i: number) => COLOURS[i % COLOURS.length]

function shown(value: number, unit: string): string {
  if (unit === 's')
    return Math.abs(value) >= 86_400
      ? `${(value / 86_400).toFixed(0)} d`
      : Math.abs(value) < 1
        ? `${round(value * 1e3)} ms`
        : `${round(value)} s`
  if (unit === 'percentunit') return `${round(value * 100)} %`
  if (unit === 'bytes') return `${round(value / 2 ** 20)} MiB`
  return `${round(value)}${unit === 'short' ? '' : '/s'}`
}

function round(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en')
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
