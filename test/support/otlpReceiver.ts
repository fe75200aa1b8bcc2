import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import protobuf from 'protobufjs'

// The messages of OTLP that a trace has (opentelemetry-proto 1.x), with the fields that tests look at.
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Request { repeated ResourceSpans resource_spans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message ScopeSpans { repeated Span spans = 2; }
  message Span {
    bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
    fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8;
    repeated KeyValue attributes = 9; repeated Link links = 13; Status status = 15;
  }
  message Link { bytes trace_id = 1; bytes span_id = 2; }
  message Status { string message = 2; int32 code = 3; }
  message KeyValue { string key = 1; Value value = 2; }
  message Value { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; } }
`)
const REQUEST = root.lookupType('Request')

export interface ReceivedSpan {
  readonly traceId: string
  readonly spanId: string
  /** Empty for the root of a trace. */
  readonly parentSpanId: string
  readonly name: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly resource: Readonly<Record<string, unknown>>
  /** The ids of the spans that it is linked with. */
  readonly links: readonly string[]
  readonly isError: boolean
  readonly milliseconds: number
}

export interface OtlpReceiver extends AsyncDisposable {
  readonly endpoint: string
  readonly spans: ReceivedSpan[]
  /** All bodies as they came, one character a byte. */
  readonly raw: string
  /** The headers of the last request. */
  readonly headers: Readonly<Record<string, unknown>>
  /** Takes requests and answers none of them until `release`. */
  hold(): void
  release(): void
  /** Waits until the spans that have come satisfy the check. */
  until(check: (spans: readonly ReceivedSpan[]) => boolean): Promise<void>
}

/** Starts a collector for traces: a real HTTP server that takes OTLP with protobuf. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = []
  const looks = new Set<() => void>()
  const held: ServerResponse[] = []
  let [raw, isHolding, headers] = ['', false, {}]
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    raw += body.toString('latin1')
    headers = { ...request.headers, path: request.url }
    spans.push(...spansOf(body))
    if (isHolding) held.push(response)
    else response.end()
    for (const look of looks) look()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    get raw() {
      return raw
    },
    get headers() {
      return headers
    },
    hold() {
      isHolding = true
    },
    release() {
      isHolding = false
      for (const response of held.splice(0)) response.end()
    },
    until: check =>
      new Promise(resolve => {
        const look = () => {
          if (!check(spans)) return
          looks.delete(look)
          resolve()
        }
        looks.add(look)
        look()
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

interface Attribute {
  readonly key: string
  readonly value?: Readonly<Record<string, unknown>>
}

interface DecodedSpan {
  readonly traceId: Uint8Array
  readonly spanId: Uint8Array
  readonly parentSpanId?: Uint8Array
  readonly name: string
  readonly startTimeUnixNano: number
  readonly endTimeUnixNano: number
  readonly attributes: readonly Attribute[]
  readonly links: readonly { readonly spanId: Uint8Array }[]
  readonly status?: { readonly code?: number }
}

interface DecodedRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] }
    readonly scopeSpans: readonly { readonly spans: readonly DecodedSpan[] }[]
  }[]
}

function spansOf(body: Buffer): ReceivedSpan[] {
  const request = REQUEST.toObject(REQUEST.decode(body), { longs: Number, arrays: true }) as DecodedRequest
  return request.resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(scope => scope.spans.map(span => received(span, attributesOf(resource.attributes)))),
  )
}

function received(span: DecodedSpan, resource: Record<string, unknown>): ReceivedSpan {
  return {
    traceId: hex(span.traceId),
    spanId: hex(span.spanId),
    parentSpanId: hex(span.parentSpanId),
    name: span.name,
    attributes: attributesOf(span.attributes),
    resource,
    links: span.links.map(link => hex(link.spanId)),
    isError: span.status?.code === 2,
    milliseconds: (span.endTimeUnixNano - span.startTimeUnixNano) / 1e6,
  }
}

function attributesOf(attributes: readonly Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value ?? {})[0]]))
}

function hex(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString('hex')
}
