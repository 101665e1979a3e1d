import { OPERATION_NAMES } from "../backends/request.js";
import { LatencyRecorder } from "../observability/latency-recorder.js";

/** What the pipeline counts as it goes; read by `stats()`. */
export class OperationCounters {
  succeeded = 0;
  failed = 0;
  retries = 0;
  hits = 0;
  misses = 0;
  bytesRead = 0;
  bytesWritten = 0;
  batches = 0;
  batchedOperations = 0;
  /** Operations that shared another's command. */
  coalesced = 0;
  /** Why batches were cut, for `explain()`. */
  readonly cuts = { size: 0, bytes: 0, hazard: 0, turn: 0 };
  readonly latency: readonly LatencyRecorder[] = OPERATION_NAMES.map(() => new LatencyRecorder());
}
