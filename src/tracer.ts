// The port of traces. Without tracing nothing stands behind it, and no package of OpenTelemetry is loaded.

/** Names, codes and counts: never an input, an id of a person, or an address that a caller has written. */
export type SpanAttributes = Readonly<Record<string, string | number>>

/** The parts of a request. */
export type PartName = 'parse' | 'validate' | 'gate' | 'score' | 'commit' | 'score rows'

/** Work that is done once for several calls. */
export type SharedName = 'model run' | 'commit group'

/** The work of a call, as a span that others may be linked with. */
export interface TracedCall {
  readonly traceId: string
}

export interface ServedRequest {
  readonly method: string
  /** The address as the route has it. */
  readonly path: string | undefined
  /** The W3C header of the caller. */
  readonly traceparent: string | undefined
}

/** Says which part of the gateway does what, and for how long. */
export interface Tracer {
  /** The call in whose course this is called; undefined where it is not traced. */
  call(): TracedCall | undefined
  /** Runs a request of a known caller. */
  request<Answer>(request: ServedRequest, work: () => Promise<Answer>): Promise<Answer>
  /** Adds to what is known of the request in hand, or of the call to another service. */
  describeRequest(attributes: SpanAttributes): void
  /** Runs a part of the call in hand. */
  part<Answer>(name: PartName, work: () => Answer): Answer
  /** Begins a part of the call in hand. Returns how it ends. */
  begin(name: PartName): (() => void) | undefined
  /** Runs work that several calls share: each of them is linked with it. */
  shared<Answer>(name: SharedName, calls: readonly (TracedCall | undefined)[], work: () => Promise<Answer>): Promise<Answer>
  /** Runs a call to another service that belongs to no request. Its work gets the headers that tell the other service. */
  outgoing<Answer>(
    name: 'webhook call',
    attributes: SpanAttributes,
    work: (headers: Readonly<Record<string, string>>) => Promise<Answer>,
  ): Promise<Answer>
  /** Notes something that began earlier and has ended now. */
  ended(name: 'alert delivery', since: Date): void
}

const NO_HEADERS = {}

/** What every part gets while nothing is traced. */
export const UNTRACED: Tracer = {
  call: () => undefined,
  request: (_request, work) => work(),
  describeRequest: () => {},
  part: (_name, work) => work(),
  begin: () => undefined,
  shared: (_name, _calls, work) => work(),
  outgoing: (_name, _attributes, work) => work(NO_HEADERS),
  ended: () => {},
}

interface TraceParent {
  readonly traceId: string
  readonly spanId: string
  readonly flags: number
}

// W3C Trace Context, section 3.2: a trace or span of zeros is none, and a later version may have more behind it.
const TRACE_PARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const FIRST_VERSION = '00'

/** Reads a `traceparent` header; undefined where it does not have the form of the standard. */
export function parseTraceParent(header: unknown): TraceParent | undefined {
  const [, version, traceId, spanId, flags, more] = (typeof header === 'string' && TRACE_PARENT.exec(header)) || []
  if (!traceId || !spanId || !flags || (version === FIRST_VERSION && more !== undefined)) return undefined
  return { traceId, spanId, flags: Number.parseInt(flags, 16) }
}
