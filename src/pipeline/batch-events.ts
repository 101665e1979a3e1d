import type { Batch } from "../backends/batch.js";
import { type Kind, OPERATION_NAMES } from "../backends/request.js";
import type { BatchSent } from "../observability/channels.js";
import { channels } from "../observability/channels.js";

/** To be called when `channels.batchSent` has subscribers. */
export function publishSent(backend: string, batch: Batch): void {
  channels.batchSent.publish(describe(backend, batch));
}

/** To be called when `channels.batchCompleted` has subscribers. @param nowUs of the engine's clock */
export function publishCompleted(backend: string, batch: Batch, nowUs: number): void {
  const durationMs = ((nowUs - batch.sentAtUs) | 0) / 1000;
  const after = (atUs: number, otherwise: number): number =>
    atUs === 0 ? otherwise : Math.max(0, ((atUs - batch.sentAtUs) | 0) / 1000);
  channels.batchCompleted.publish({
    ...describe(backend, batch),
    sentAtMs: performance.timeOrigin + performance.now() - durationMs,
    durationMs,
    encodedAfterMs: after(batch.writtenAtUs, 0),
    answeredAfterMs: after(batch.resultsAtUs, durationMs),
    error: batch.firstErrorCode ?? null,
  });
}

function describe(backend: string, batch: Batch): BatchSent {
  return {
    backend,
    sequence: batch.sequence,
    size: batch.size,
    bytes: batch.bytes,
    operation: operationOf(batch),
    commands: {
      gets: batch.reads.length,
      contains: batch.probes.length,
      deletes: batch.deletes.length,
      puts: batch.puts.length + batch.expiringPuts.length,
      others: batch.others.length,
    },
  };
}

function operationOf(batch: Batch): string | null {
  const kinds = new Set<Kind>();
  batch.forEachLeader(({ kind }) => kinds.add(kind));
  // They were part of what was sent, or was to be.
  for (const { kind } of batch.takenOut) kinds.add(kind);
  const [kind] = kinds;
  return kind === undefined || kinds.size > 1 ? null : OPERATION_NAMES[kind];
}
