// Compiled with exactOptionalPropertyTypes, never run: what a service hands on may be undefined, which is as if absent.

import type { MillraceDriverOptions } from "../../src/adapters/unstorage.js";
import type {
  CallOptions,
  Engine,
  EngineOptions,
  ExpiryOptions,
  FindOptions,
  FormattedTableOptions,
  Mutation,
  OptionSources,
  PutOptions,
} from "../../src/index.js";
import type { OpenTelemetryOptions } from "../../src/otel/index.js";

const absent = undefined;

export const call: CallOptions = { signal: absent, timeoutMs: absent };
export const expiry: ExpiryOptions = { ttlMs: absent };
export const put: PutOptions = { ...call, ...expiry, metadata: absent, fence: absent, durability: absent };
export const mutation: Mutation = { type: "put", key: "key", value: "value", ttlMs: absent };
export const find: FindOptions = { prefix: absent, limit: absent };
export const table: FormattedTableOptions<string> = {
  ...{ version: absent, readableFrom: absent },
  ...{ codec: absent, migrations: absent, parse: absent },
};
export const engine: EngineOptions = { pool: absent, batching: { maxSize: absent }, cache: absent };
export const sources: OptionSources = { file: absent, environment: absent, options: absent, nameOf: absent };
export const telemetry: OpenTelemetryOptions = {
  ...{ tracerProvider: absent, meterProvider: absent },
  ...{ spans: absent, metrics: absent },
};
export const storage: MillraceDriverOptions = { engine: absent, base: absent, ttl: absent };

export async function handedOn(
  { put: write, get, findByMetadata }: Engine,
  options: { signal: AbortSignal | undefined; ttlMs: number | undefined },
): Promise<void> {
  await write("key", "value", options);
  await get("key", { signal: options.signal });
  findByMetadata({}, { prefix: absent });
}
