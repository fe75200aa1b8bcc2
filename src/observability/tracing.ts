import { AsyncLocalStorage } from 'node:async_hooks'
import { type Context, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import {
  type PartName,
  parseTraceParent,
  type ServedRequest,
  type SharedName,
  type SpanAttributes,
  type TracedCall,
  type Tracer,
} from '../tracer.js'
import { SERVICE } from './service.js'

// Spans that wait for a slow collector; more are dropped, so that it costs no more memory than this.
const MAX_WAITING_SPANS = 2_048
const EXPORT_EVERY_MS = 2_000
const EXPORT_TIMEOUT_MS = 5_000
const EXPORTED = 0
// A group has at most so many calls.
const MAX_LINKS = 256

export interface TracingOptions {
  /** The base address of a collector: OTLP over HTTP, with protobuf. */
  readonly endpoint: URL
  /** The part of requests that is traced, 0 to 1. A caller that traces its own request decides for it. */
  readonly ratio: number
  /** Called once an outage of the collector. */
  readonly failed: (code: string | undefined) => void
}

interface Active extends TracedCall {
  readonly span: Span
  /** Undefined for work that belongs to no request. */
  readonly request: Span | undefined
}

/** Traces in the form of OpenTelemetry. The only file that imports its packages; it is loaded only where tracing is on. */
export class OtlpTracer implements Tracer {
  // Not the context manager of OpenTelemetry: a request that is not traced must cost next to nothing.
  readonly #active = new AsyncLocalStorage<Active | undefined>()
  readonly #provider: TracerProvider
  readonly #spans: ReturnType<TracerProvider['getTracer']>

  constructor({ endpoint, ratio, failed }: TracingOptions) {
    const url = `${endpoint.href.replace(/\/$/, '')}/v1/traces`
    const exporter = watched(new OTLPTraceExporter({ url, timeoutMillis: EXPORT_TIMEOUT_MS }), failed)
    const processor = new BatchSpanProcessor({
      exporter,
      maxQueueSize: MAX_WAITING_SPANS,
      scheduledDelayMillis: EXPORT_EVERY_MS,
      exportTimeoutMillis: EXPORT_TIMEOUT_MS,
    })
    this.#provider = new TracerProvider({
      resource: resourceFromAttributes({
        'service.name': SERVICE.name,
        'service.version': SERVICE.version,
        'service.instance.id': crypto.randomUUID(),
      }),
      sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
      spanLimits: { linkCountLimit: MAX_LINKS },
      spanProcessors: [processor],
    })
    this.#spans = this.#provider.getTracer(SERVICE.name, SERVICE.version)
  }

  call(): Active | undefined {
    return this.#active.getStore()
  }

  request<Answer>({ method, path, traceparent }: ServedRequest, work: () => Promise<Answer>): Promise<Answer> {
    const attributes = { 'http.request.method': method, ...(path !== undefined && { 'http.route': path }) }
    const name = path === undefined ? method : `${method} ${path}`
    const span = this.#spans.startSpan(name, { kind: SpanKind.SERVER, attributes }, contextOf(traceparent))
    return span.isRecording() ? this.#run(span, span, work) : this.#active.run(undefined, work)
  }

  describeRequest(attributes: SpanAttributes): void {
    this.call()?.request?.setAttributes(attributes)
  }

  part<Answer>(name: PartName, work: () => Answer): Answer {
    const active = this.call()
    return active ? this.#run(this.#spans.startSpan(name, {}, within(active.span)), active.request, work) : work()
  }

  begin(name: PartName): (() => void) | undefined {
    const active = this.call()
    if (!active) return undefined
    const span = this.#spans.startSpan(name, {}, within(active.span))
    return () => span.end()
  }

  /** The work is a part of the first call. It and the others have links to each other. */
  shared<Answer>(name: SharedName, calls: readonly (TracedCall | undefined)[], work: () => Promise<Answer>): Promise<Answer> {
    const [first, ...others] = new Set(calls.filter(call => call !== undefined) as Active[])
    // Nothing of the call that happened to wake this work may be taken for its own.
    if (!first) return this.#active.run(undefined, work)
    const links = others.map(({ span }) => ({ context: span.spanContext() }))
    const attributes = { 'riskgate.group.size': calls.length }
    const span = this.#spans.startSpan(name, { links, attributes }, within(first.span))
    for (const other of others) other.span.addLink({ context: span.spanContext() })
    return this.#run(span, undefined, work)
  }

  outgoing<Answer>(
    name: 'webhook call',
    attributes: SpanAttributes,
    work: (headers: Readonly<Record<string, string>>) => Promise<Answer>,
  ): Promise<Answer> {
    const span = this.#spans.startSpan(name, { root: true, kind: SpanKind.CLIENT, attributes })
    const { traceId, spanId, traceFlags } = span.spanContext()
    const headers = { traceparent: `00-${traceId}-${spanId}-0${traceFlags}` }
    return this.#run(span, span, () => work(headers))
  }

  ended(name: 'alert delivery', since: Date): void {
    const now = new Date()
    // The clocks of two replicas may differ.
    const startTime = since < now ? since : now
    this.#spans.startSpan(name, { root: true, kind: SpanKind.PRODUCER, startTime }).end(now)
  }

  /** Sends the spans that still wait. */
  async stop(): Promise<void> {
    await this.#provider.shutdown()
  }

  #run<Answer>(span: Span, request: Span | undefined, work: () => Answer): Answer {
    const active = { span, request, traceId: span.spanContext().traceId }
    return this.#active.run(active, () => {
      try {
        const answer = work()
        if (!(answer instanceof Promise)) {
          span.end()
          return answer
        }
        return answer.then(
          value => {
            span.end()
            return value
          },
          (error: unknown) => {
            fail(span, error)
            throw error
          },
        ) as Answer
      } catch (error) {
        fail(span, error)
        throw error
      }
    })
  }
}

/** Reports the first of a row of exports that fail. */
function watched(exporter: SpanExporter, failed: TracingOptions['failed']): SpanExporter {
  let isDown = false
  return {
    export: (spans, done) =>
      exporter.export(spans, result => {
        const wasDown = isDown
        isDown = result.code !== EXPORTED
        if (isDown && !wasDown) failed(codeOf(result.error))
        done(result)
      }),
    shutdown: () => exporter.shutdown(),
  }
}

/** Not the message, which may repeat what the collector says. */
function codeOf(error: unknown): string | undefined {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: { code?: unknown } }
  const known = code ?? cause?.code
  return known === undefined ? undefined : String(known)
}

/** The span gets the code or the kind of the error: its message may hold inputs. */
function fail(span: Span, error: unknown): void {
  const { code, constructor: kind } = (error ?? {}) as { code?: unknown; constructor?: { name?: string } }
  span.setAttribute('error.type', String(code ?? kind?.name ?? typeof error))
  span.setStatus({ code: SpanStatusCode.ERROR })
  span.end()
}

function within(span: Span): Context {
  return trace.setSpan(ROOT_CONTEXT, span)
}

/** The trace of the caller. Its baggage and its trace state are not read. */
function contextOf(traceparent: string | undefined): Context {
  const parent = parseTraceParent(traceparent)
  if (!parent) return ROOT_CONTEXT
  const { traceId, spanId, flags } = parent
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: flags & 1, isRemote: true })
}
