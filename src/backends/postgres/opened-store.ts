import { ClosedError, ConnectionError } from "../../core/errors.js";
import type { DriverContext } from "../contract.js";
import type { BulkLoad } from "./bulk-load.js";
import type { ChangeFeed } from "./change-feed.js";
import type { ControlPlanes } from "./control-planes.js";
import { BACKEND } from "./errors.js";
import type { JobEnds } from "./job-ends.js";
import type { JobSurroundings } from "./job-surroundings.js";
import type { Lane } from "./lane.js";
import type { LanePool } from "./lane-pool.js";
import type { MetadataQueries } from "./metadata-queries.js";
import type { Placement } from "./placement.js";
import type { ReplicaSet } from "./replica-set.js";
import type { ServerReport } from "./server-report.js";
import type { SessionKeeper } from "./session-keeper.js";
import type { Sweeper } from "./sweeper.js";
import type { TableMaintenance } from "./table-maintenance.js";
import type { TableScans } from "./table-scans.js";

/** What a driver consists of from its opening to its end. */
export interface OpenedStore {
  readonly context: DriverContext;
  readonly planes: ControlPlanes;
  readonly keeper: SessionKeeper;
  readonly lanes: readonly Lane[];
  readonly pool: LanePool;
  readonly report: ServerReport;
  readonly placement: Placement;
  readonly jobEnds: JobEnds;
  readonly surroundings: JobSurroundings;
  readonly scans: TableScans;
  readonly metadata: MetadataQueries;
  readonly maintenance: TableMaintenance;
  readonly bulk: BulkLoad;
  readonly sweeper: Sweeper;
  readonly replicas: ReplicaSet | undefined;
  readonly feed: ChangeFeed | undefined;
}

/** Ends all that is there, in an order in which nothing is asked of what has gone. */
export async function disconnect(opened: OpenedStore): Promise<void> {
  const { keeper, lanes, pool, placement, planes, sweeper, replicas, feed } = opened;
  pool.stop();
  const closing = keeper.close();
  const details = { backend: BACKEND, reason: "ERR_CLOSED" };
  const cause = new ConnectionError("the engine was closed", details);
  for (const lane of lanes) {
    if (lane.session?.due === 0) lane.session.close();
    else lane.destroy(cause);
  }
  for (const job of [...lanes.flatMap((lane) => lane.takeBack()), ...placement.drain()]) {
    job.fail(new ClosedError("the engine was closed", details));
  }
  await closing;
  await feed?.close();
  await sweeper.stop();
  await replicas?.close();
  await planes.close();
}
