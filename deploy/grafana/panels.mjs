// The parts that every dashboard is made of, as Grafana's JSON.

// biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Grafana
const DATASOURCE = { type: 'prometheus', uid: '${datasource}' }
const COLUMNS = 24

/** A curve for each series of its queries. `queries` holds pairs of a query and its legend. */
export function graph(title, unit, queries, { width = 12, description = '', stacked = false, max } = {}) {
  const custom = {
    fillOpacity: stacked ? 60 : 10,
    showPoints: 'never',
    stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
  }
  return {
    type: 'timeseries',
    title,
    description,
    width,
    height: 8,
    fieldConfig: { defaults: { unit, min: 0, ...(max !== undefined && { max }), custom }, overrides: [] },
    options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
    targets: targetsOf(queries),
  }
}

/** The newest value of one query, as a number. `redFrom` or `redBelow`: where the number turns red. */
export function number(title, unit, query, { width = 4, description = '', redFrom, redBelow } = {}) {
  const steps =
    redBelow !== undefined
      ? [
          { color: 'red', value: null },
          { color: 'green', value: redBelow },
        ]
      : [{ color: 'green', value: null }, ...(redFrom === undefined ? [] : [{ color: 'red', value: redFrom }])]
  return {
    type: 'stat',
    title,
    description,
    width,
    height: 4,
    fieldConfig: { defaults: { unit, thresholds: { mode: 'absolute', steps } }, overrides: [] },
    options: { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'value', graphMode: 'area' },
    targets: targetsOf([[query, '']]),
  }
}

/** How often each interval of a histogram was met over time. */
export function heatmap(title, unit, query, { width = 12, description = '' } = {}) {
  return {
    type: 'heatmap',
    title,
    description,
    width,
    height: 8,
    fieldConfig: { defaults: {}, overrides: [] },
    options: { calculate: false, yAxis: { unit }, color: { mode: 'scheme', scheme: 'Oranges' }, cellGap: 1 },
    targets: targetsOf([[query, '{{le}}']]).map(target => ({ ...target, format: 'heatmap' })),
  }
}

/** A dashboard of panels, laid out from left to right in rows. */
export function dashboard(uid, title, description, panels) {
  return {
    uid,
    title,
    description,
    tags: ['riskgate'],
    schemaVersion: 39,
    editable: false,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    timezone: 'browser',
    templating: { list: [datasourceVariable, jobVariable] },
    panels: laidOut(panels),
  }
}

const datasourceVariable = { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' }
const jobVariable = {
  name: 'job',
  label: 'Job',
  type: 'query',
  datasource: DATASOURCE,
  query: { query: 'label_values(riskgate_ready, job)', refId: 'job' },
  refresh: 2,
  multi: true,
  includeAll: true,
  allValue: '.*',
  current: { text: 'All', value: '$__all' },
}

function targetsOf(queries) {
  return queries.map(([expr, legendFormat], i) => ({
    refId: String.fromCharCode(65 + i),
    datasource: DATASOURCE,
    expr,
    legendFormat,
  }))
}

function laidOut(panels) {
  let [x, y, rowHeight] = [0, 0, 0]
  return panels.map(({ width, height, ...panel }, i) => {
    if (x + width > COLUMNS) [x, y, rowHeight] = [0, y + rowHeight, 0]
    const gridPos = { x, y, w: width, h: height }
    x += width
    rowHeight = Math.max(rowHeight, height)
    return { id: i + 1, datasource: DATASOURCE, gridPos, ...panel }
  })
}
