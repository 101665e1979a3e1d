import { subscribe, unsubscribe } from "node:diagnostics_channel";
import {
  type Attributes,
  type Histogram,
  type MeterProvider,
  metrics,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  type TracerProvider,
  trace,
} from "@opentelemetry/api";
import type { BatchCompleted, ChannelName } from "../observability/channels.js";

export interface OpenTelemetryOptions {
  /** Default: the one registered globally. */
  readonly tracerProvider?: TracerProvider | undefined;
  /** Default: the one registered globally. */
  readonly meterProvider?: MeterProvider | undefined;
  /** Default: on. */
  readonly spans?: boolean | undefined;
  /** Default: on. */
  readonly metrics?: boolean | undefined;
}

const SCOPE = "millrace";
const COMPLETED: ChannelName = "millrace:batch:completed";
/** As the semantic conventions advise for `db.client.operation.duration`. */
const DURATION_BOUNDS_S = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];
/** Names of database systems in the conventions, where they are not the engine's own. */
const SYSTEM_NAMES: Readonly<Record<string, string>> = { postgres: "postgresql" };

/**
 * From now on reports the batches of all engines in this process to OpenTelemetry, by the stable semantic conventions
 * for database clients (https://opentelemetry.io/docs/specs/semconv/database/): a client span for each batch, and the
 * histogram `db.client.operation.duration` in seconds. A batch is what the store is asked: it carries operations of
 * many callers, so its span has no parent.
 *
 * @returns a function that ends it
 */
export function subscribeOpenTelemetry(options: OpenTelemetryOptions = {}): () => void {
  const tracer =
    options.spans === false ? undefined : (options.tracerProvider ?? trace.getTracerProvider()).getTracer(SCOPE);
  const durations = options.metrics === false ? undefined : new Durations(options.meterProvider);
  const onCompleted = (message: unknown): void => {
    const batch = message as BatchCompleted;
    const attributes = attributesOf(batch);
    durations?.current.record(batch.durationMs / 1000, attributes);
    if (tracer !== undefined) emitSpan(tracer, batch, attributes);
  };
  subscribe(COMPLETED, onCompleted);
  return () => {
    unsubscribe(COMPLETED, onCompleted);
  };
}

/** Unlike a tracer, a histogram that was made before the service has started its SDK stays without effect for ever. */
class Durations {
  readonly #given: MeterProvider | undefined;
  #provider: MeterProvider | undefined;
  #histogram: Histogram | undefined;

  constructor(given: MeterProvider | undefined) {
    this.#given = given;
  }

  get current(): Histogram {
    const provider = this.#given ?? metrics.getMeterProvider();
    if (this.#histogram === undefined || provider !== this.#provider) {
      this.#provider = provider;
      this.#histogram = provider.getMeter(SCOPE).createHistogram("db.client.operation.duration", {
        unit: "s",
        description: "Duration of database client operations.",
        advice: { explicitBucketBoundaries: DURATION_BOUNDS_S },
      });
    }
    return this.#histogram;
  }
}

function attributesOf(batch: BatchCompleted): Attributes {
  return {
    "db.system.name": SYSTEM_NAMES[batch.backend] ?? batch.backend,
    "db.operation.name": nameOf(batch),
    ...(batch.error === null ? {} : { "error.type": batch.error }),
  };
}

/** One operation by its name; several as the conventions name batches. */
function nameOf({ operation, size }: BatchCompleted): string {
  if (operation === null) return "BATCH";
  return size === 1 ? operation : `BATCH ${operation}`;
}

function emitSpan(tracer: Tracer, batch: BatchCompleted, attributes: Attributes): void {
  const span = tracer.startSpan(
    String(attributes["db.operation.name"]),
    {
      kind: SpanKind.CLIENT,
      startTime: batch.sentAtMs,
      // The conventions keep the size for real batches.
      attributes: { ...attributes, ...(batch.size > 1 ? { "db.operation.batch.size": batch.size } : {}) },
    },
    ROOT_CONTEXT,
  );
  if (batch.error !== null) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end(batch.sentAtMs + batch.durationMs);
}
