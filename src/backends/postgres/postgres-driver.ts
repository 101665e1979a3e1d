import { ClosedError, ConfigError, StateError } from "../../core/errors.js";
import type { Batch, BatchChoice } from "../batch.js";
import type {
  Capabilities,
  ChangeListener,
  ConnectionCounts,
  Driver,
  DriverContext,
  Health,
  ScanPage,
} from "../contract.js";
import { DEFAULT_MAX_LAG_MS } from "../replicas/timing.js";
import { OPERATION_NAMES, type Request } from "../request.js";
import type { BulkLoading, TableMaintenance as Maintenance, MetadataAccess } from "../row-store.js";
import { BatchJob } from "./batch-job.js";
import { BulkLoad } from "./bulk-load.js";
import { ChangeFeed } from "./change-feed.js";
import { placeOf } from "./client-settings.js";
import { ControlPlane } from "./control-plane.js";
import { ControlPlanes } from "./control-planes.js";
import { BACKEND, connectionError } from "./errors.js";
import { JobEnds } from "./job-ends.js";
import { JOBS_PER_LANE, Lane } from "./lane.js";
import { LanePool } from "./lane-pool.js";
import { MetadataQueries } from "./metadata-queries.js";
import { disconnect, type OpenedStore } from "./opened-store.js";
import type { PostgresOptions } from "./options.js";
import { Placement } from "./placement.js";
import { SESSIONS_PER_REPLICA } from "./replica.js";
import { ReplicaSet } from "./replica-set.js";
import { migrate, migrationError } from "./schema.js";
import { ServerReport } from "./server-report.js";
import { SessionKeeper } from "./session-keeper.js";
import { cachedStatements } from "./statements.js";
import { Sweeper } from "./sweeper.js";
import { TableMaintenance } from "./table-maintenance.js";
import { tableNames } from "./table-names.js";
import { TableScans } from "./table-scans.js";
import { type TlsChoice, tlsChoices } from "./tls-options.js";

/** The longest key that an index of the server takes whatever its bytes are; rows of an index end at 2704. */
const MAX_KEY_BYTES = 2680;
/** Header of a stored value. */
const VALUE_OVERHEAD_BYTES = 64;
/** A server that starts is asked again after so long when the engine opens. */
const STARTING_WAIT_MS = 100;
const STARTING = "57P03";

/**
 * A statement and its commit cost the server what some twenty operations cost it. At 20,000 operations a second, on two
 * cores, two batches at once took 0.6 to 0.8 ms in the middle and 2 to 9 in the 99th percentile, eight took 1.4 to 3 and
 * 11 to 18; at 1000 in flight two did 151,000 gets a second, three 155,000, eight 134,000.
 */
const SMALL_BATCHES = 2;

/**
 * A second commit beside the first makes both wait: gets and puts by turns were 1.15 times as many at 4 in flight and 1.24
 * times at 10 with one, and at 20,000 a second waited 3.0 ms instead of 5.0 in the 99th percentile. From 16 on that wait,
 * it makes no difference.
 */
const WRITING_BATCHES = 1;

/**
 * Two or three batches of 512 leave server and client waiting for each other, and batches of so many keys nearly always
 * share one, so that their writes go one behind the other. With this puts are 1.35 times as many at 400 in flight and 1.1
 * times at 1000, gets 1.08 times at both; at 3000 and more it makes no difference.
 */
const BATCH_SIZE = 128;

/** Fewer leave the server idle while one waits for its commit. */
const USUAL_CONNECTIONS = 3;
const KEPT_POOL = { min: USUAL_CONNECTIONS, max: USUAL_CONNECTIONS, idleMs: Number.POSITIVE_INFINITY };

/** PostgreSQL: batches as one statement a group over arrays, on a few connections. */
export class PostgresDriver implements Driver {
  readonly name = BACKEND;
  readonly capabilities: Capabilities;
  readonly #options: PostgresOptions;
  readonly #connections: number;
  readonly #tables;
  #opened: OpenedStore | undefined;
  #closing: Promise<void> | undefined;
  #listener: ChangeListener | undefined;
  /** Why the server takes no connection, while it says so: operations fail with it at once instead of waiting. */
  #refusal: StateError | undefined;

  constructor(options: PostgresOptions) {
    this.#options = options;
    this.#connections = Math.max(USUAL_CONNECTIONS, (options.pool ?? KEPT_POOL).max);
    this.#tables = tableNames(options.address.schema);
    this.capabilities = {
      maxInFlight: (this.#connections + (options.replicas ?? []).length) * JOBS_PER_LANE,
      batchSize: BATCH_SIZE,
      smallBatches: SMALL_BATCHES,
      writingBatches: WRITING_BATCHES,
      maxKeyBytes: MAX_KEY_BYTES,
      expiry: true,
      transactions: true,
      metadata: true,
      replicatedDurability: false,
    };
  }

  watchChanges(listener: ChangeListener): void {
    this.#listener = listener;
  }

  async open(context: DriverContext): Promise<void> {
    if (this.#opened !== undefined) throw new ConfigError("this PostgreSQL driver serves another engine already");
    this.#closing = undefined;
    const deadlineMs = performance.now() + context.connectTimeoutMs;
    for (;;) {
      const opened = await this.#prepare(context);
      try {
        await this.#connect(opened, deadlineMs);
        await opened.replicas?.start();
        this.#opened = opened;
        opened.pool.start();
        opened.sweeper.start();
        opened.feed?.start();
        return;
      } catch (error) {
        await disconnect(opened);
        // It is there and says "not yet", as opposed to a wrong address or a wrong password.
        const isStarting = error instanceof StateError && error.reason === STARTING;
        if (!isStarting || performance.now() + STARTING_WAIT_MS >= deadlineMs) throw error;
        await new Promise((resolve) => setTimeout(resolve, STARTING_WAIT_MS));
      }
    }
  }

  isWritable(): boolean {
    const opened = this.#opened;
    if (opened === undefined) return false;
    if (opened.pool.open === 0) {
      // Nobody asks who has nothing to send.
      if (opened.pool.wanted === 0) opened.pool.wake();
      return this.#refusal !== undefined;
    }
    if (opened.keeper.isFencing || opened.placement.isHolding) return false;
    return opened.lanes.some((lane) => lane.session?.isWritable === true);
  }

  outage(): StateError | undefined {
    const opened = this.#opened;
    return opened?.pool.open === 0 ? opened.keeper.lastFailure : undefined;
  }

  nextBatch(first: Request): BatchChoice | undefined {
    return this.#opened?.placement.nextBatch(first);
  }

  execute(batch: Batch): void {
    const opened = this.#opened;
    if (opened === undefined) {
      this.#failAll(batch, new ClosedError("the store is not open", { backend: BACKEND }));
    } else if (opened.pool.open === 0) {
      this.#failAll(batch, this.#refusal ?? connectionError(this.#place, "not connected"));
    } else {
      opened.pool.batchBegins();
      opened.placement.take(new BatchJob(batch, opened.surroundings, opened.jobEnds));
    }
  }

  abandon(batch: Batch): void {
    const placement = this.#opened?.placement;
    placement?.forEachJob((job) => {
      if (job.batch !== batch) return;
      if (job.isSent) placement.laneOf(job)?.abandon(job);
      else job.isStale = true;
    });
  }

  scan(prefix: string, withValues: boolean): AsyncIterable<ScanPage> {
    return this.#session("scan").scans.pages(prefix, withValues);
  }

  async clear(prefix: string): Promise<number> {
    const { context, keeper, scans, replicas } = this.#session("clear");
    await keeper.fenced(context.operationTimeoutMs);
    try {
      return await scans.clear(prefix);
    } finally {
      replicas?.writes.addAll();
    }
  }

  get metadata(): MetadataAccess {
    return this.#session("getWithMetadata").metadata;
  }

  get maintenance(): Maintenance {
    return this.#session("tableStats").maintenance;
  }

  get bulk(): BulkLoading {
    return this.#session("bulkLoad").bulk;
  }

  async health(): Promise<Health> {
    return this.#session("healthCheck").report.health();
  }

  async memoryUsage(): Promise<number> {
    return this.#session("memoryUsage").report.memoryUsage();
  }

  async serverInfo(): Promise<Record<string, string>> {
    return this.#session("serverInfo").report.serverInfo();
  }

  connections(): ConnectionCounts {
    const opened = this.#opened;
    const limit = this.#connections + (this.#options.replicas ?? []).length * SESSIONS_PER_REPLICA;
    if (opened === undefined) return { active: 0, idle: 0, limit };
    const lanes = opened.pool.counts();
    const replicas = opened.replicas?.connections ?? { active: 0, idle: 0 };
    const control = opened.planes.connections;
    return {
      active: lanes.active + replicas.active + control.active,
      idle: lanes.idle + replicas.idle + control.idle,
      limit,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    if (opened !== undefined) await disconnect(opened);
  }

  get #place(): string {
    return placeOf(this.#options.address);
  }

  async #prepare(context: DriverContext): Promise<OpenedStore> {
    const { address, retry } = this.#options;
    const tls = await tlsChoices(address);
    const { connectTimeoutMs, operationTimeoutMs, maxValueBytes } = context;
    const planes = new ControlPlanes(address, tls, {
      connectTimeoutMs,
      operationTimeoutMs,
      // Whatever is written later must not be deleted by it.
      onAbandoned: (operation, facts) => {
        if (operation === "clear") keeper.fence(facts);
      },
    });
    const { watch, calls, loads } = planes;
    const lanes = Array.from({ length: this.#connections }, () => new Lane());
    const placement: Placement = new Placement(lanes, () => keeper.isFencing);
    const maxStoredBytes = maxValueBytes + VALUE_OVERHEAD_BYTES;
    const now = this.#options.now ?? (() => "now()");
    const keeper: SessionKeeper = new SessionKeeper({
      session: {
        address,
        tls,
        connectTimeoutMs,
        silenceMs: operationTimeoutMs,
        onDrained: context.onWritable,
      },
      retry,
      logger: context.logger,
      onRefused: (error) => {
        this.#refusal = error;
        context.onWritable();
      },
      onOpened: (_lane, wasLost) => {
        this.#refusal = undefined;
        placement.advance();
        if (wasLost) context.onReconnected();
        else context.onConnected();
      },
      onLost: (lane) => this.#lost(opened, lane),
      onFenced: () => {
        placement.advance();
        context.onWritable();
      },
      endProcess: (facts) => planes.endProcess(facts),
    });
    const { min, idleMs } = this.#options.pool ?? KEPT_POOL;
    const pool = new LanePool(lanes, keeper, { min, idleMs, atOnce: Math.max(min, USUAL_CONNECTIONS) });
    const tables = this.#tables;
    const maintenance = new TableMaintenance(planes, tables, now);
    const { replicas: addresses = [], maxLagMs = DEFAULT_MAX_LAG_MS } = this.#options;
    const replicas =
      addresses.length === 0 ? undefined : new ReplicaSet({ addresses, maxLagMs, retry, now }, watch, context);
    const opened: OpenedStore = {
      context,
      planes,
      keeper,
      lanes,
      pool,
      report: new ServerReport(planes, tables, pool, this.#place),
      placement,
      jobEnds: new JobEnds(placement, pool, replicas?.writes, this.#place),
      surroundings: {
        codec: context.codec,
        keyPrefix: context.keyPrefix,
        maxValueBytes,
        maxStoredBytes,
        maxSentBytes: this.#options.maxSentBytes,
        statements: cachedStatements(tables, now),
        isBeingWritten: (key) => placement.isBeingWritten(key),
        isBeingRead: (key, job) => placement.isBeingRead(key, job),
        ...(replicas === undefined ? {} : { replicas }),
      },
      scans: new TableScans(calls, context, tables, now, maxStoredBytes),
      metadata: new MetadataQueries(calls, context, tables.entries, now, maxStoredBytes),
      maintenance,
      bulk: new BulkLoad(loads, context, tables, {
        now: this.#options.now,
        beforeWriting: () => keeper.fenced(operationTimeoutMs),
        onWritten: () => replicas?.writes.addAll(),
      }),
      replicas,
      feed: this.#newFeed(context, tls, lanes),
      sweeper: new Sweeper(maintenance, context.logger),
    };
    return opened;
  }

  /** Replicas may say what was before a change that has been heard of, so nothing is kept for longer than its time. */
  #newFeed(context: DriverContext, tls: readonly TlsChoice[], lanes: readonly Lane[]): ChangeFeed | undefined {
    const listener = this.#listener;
    const { address, retry, replicas = [] } = this.#options;
    if (listener === undefined) return undefined;
    if (replicas.length > 0) {
      listener.linkRefused("reads go to replicas");
      return undefined;
    }
    const { connectTimeoutMs, operationTimeoutMs, logger } = context;
    return new ChangeFeed({
      control: new ControlPlane(address, tls, { connectTimeoutMs, operationTimeoutMs }),
      tables: this.#tables,
      prefix: Buffer.from(context.keyPrefix, "utf8"),
      listener,
      logger,
      retry,
      answerTimeoutMs: operationTimeoutMs,
      isOwn: (pid) => lanes.some(({ session }) => session?.facts.pid === pid),
    });
  }

  async #connect({ planes, keeper, lanes }: OpenedStore, deadlineMs: number): Promise<void> {
    const leftMs = (): number => Math.max(1, deadlineMs - performance.now());
    const [first, ...others] = lanes.filter(({ isAsleep }) => !isAsleep);
    await keeper.open(first!, leftMs());
    const { schema } = this.#options.address;
    await planes.calls
      .withClient("open", (client) => migrate(client, schema, deadlineMs), leftMs())
      .catch((error: StateError) => Promise.reject(migrationError(error)));
    await Promise.all(others.map((lane) => keeper.open(lane, leftMs())));
  }

  #lost(opened: OpenedStore, lane: Lane): void {
    opened.placement.takeBack(lane.takeBack());
    if (opened.pool.open > 0) {
      opened.placement.advance();
      return;
    }
    // They would wait inside the driver, where the pipeline takes them for sent.
    for (const job of opened.placement.drain()) job.fail(connectionError(this.#place, "not connected"));
  }

  #session(operation: string): OpenedStore {
    if (this.#opened !== undefined) return this.#opened;
    throw new ClosedError("the store is not open", { operation, backend: BACKEND });
  }

  #failAll(batch: Batch, error: StateError): void {
    batch.forEachLeader((leader) => {
      batch.fail(leader, error.concerning({ operation: OPERATION_NAMES[leader.kind], key: leader.key }));
    });
    batch.complete();
  }
}

export function createPostgresDriver(options: PostgresOptions): Driver {
  return new PostgresDriver(options);
}
