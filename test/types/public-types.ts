// Compiled, never run: what public types are made of must have a public name.
import type {
  BulkEntry,
  BulkLoading,
  ChangeListener,
  CodecStatistics,
  CompressionHint,
  Driver,
  DriverRequest,
  EntryWithMetadata,
  MetadataAccess,
  PutDetail,
  TableMaintenance,
  ValueCodec,
} from "../../src/driver.js";
import type {
  DegradedReadsStatistics,
  EngineStats,
  ErrorDetails,
  FormattedTableOptions,
  OperationName,
  ReadTierStatistics,
  SlowOperation,
} from "../../src/index.js";
import { StateError } from "../../src/index.js";

export declare const changes: ChangeListener;
export declare const hint: CompressionHint;
export declare const details: ErrorDetails;
export declare const request: DriverRequest;
export declare const slow: SlowOperation;

export async function typesOfDrivers(
  driver: Driver,
  codec: ValueCodec,
  entries: AsyncIterable<BulkEntry>,
): Promise<void> {
  driver.watchChanges?.(changes);
  const access: MetadataAccess | undefined = driver.metadata;
  const found: EntryWithMetadata | null | undefined = await access?.readWithMetadata("key");
  const maintenance: TableMaintenance | undefined = driver.maintenance;
  const bulk: BulkLoading | undefined = driver.bulk;
  const statistics: CodecStatistics = codec.statistics;
  const detail = request.detail as PutDetail;
  void [found, maintenance, await bulk?.bulkLoad(entries), statistics, detail];
}

export function typesOfStatistics({ cache, degraded, latency }: EngineStats): void {
  const tier: ReadTierStatistics | null = cache;
  const reads: DegradedReadsStatistics = degraded;
  const name: OperationName = "get";
  void [tier, reads, latency[name]];
}

interface UserV1 {
  readonly full: string;
}
interface UserV2 {
  readonly name: string;
}

/** As its description shows them. */
export const migrations: NonNullable<FormattedTableOptions<UserV2>["migrations"]> = {
  1: (old: UserV1): UserV2 => ({ name: old.full }),
};

export function typesOfErrors(error: unknown): string {
  return StateError.is(error) ? error.code : "";
}
