import { expect, it } from 'vitest'
import { parseTraceParent } from '../../src/tracer.js'

const [TRACE, SPAN] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7']
const read = { traceId: TRACE, spanId: SPAN, flags: 1 }

it.each<[string, unknown, unknown]>([
  ['the first version', `00-${TRACE}-${SPAN}-01`, read],
  ['the first version with more behind it', `00-${TRACE}-${SPAN}-01-more`, undefined],
  ['a later version', `01-${TRACE}-${SPAN}-01`, read],
  ['a later version with more behind it', `cc-${TRACE}-${SPAN}-01-what-comes`, read],
  ['a later version with longer flags', `01-${TRACE}-${SPAN}-010`, undefined],
  ['the version that is none', `ff-${TRACE}-${SPAN}-01`, undefined],
  ['a trace of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`, undefined],
  ['a span of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`, undefined],
  ['large letters', `00-${TRACE.toUpperCase()}-${SPAN}-01`, undefined],
  ['two headers', [`00-${TRACE}-${SPAN}-01`, `00-${TRACE}-${SPAN}-01`], undefined],
  ['none', undefined, undefined],
])('the traceparent of %s is read as its standard says', (_what, header, expected) => {
  expect(parseTraceParent(header)).toEqual(expected)
})
