import { codecBudget } from "../codec/budget.js";
import { CODEC_PEER_PACKAGES } from "../codec/one-kib.js";
import { runCodec } from "../codec/run-codec.js";
import { compareWithBaseline, readBaseline } from "../lib/baseline.js";
import { stampEnvironment } from "../lib/environment.js";
import { MachineLoad } from "../lib/machine-load.js";
import { type MillraceSettings, readMillraceSettings } from "../lib/millrace-settings.js";
import type { BenchOptions } from "../lib/options.js";
import type { BenchReport, Comparison, Environment, Target, Verdict } from "../lib/report.js";
import { judgeSlo, type Slo } from "../lib/slo.js";
import { SpareTime } from "../lib/spare-time.js";
import { UsageError } from "../lib/usage-error.js";
import { runLmdb } from "../lmdb/run-lmdb.js";
import { runObservability } from "../observability/run-observability.js";
import { MILLRACE, missingPackage, SUBJECT_NAMES } from "../peers/all-peers.js";
import { runPostgres } from "../postgres/run-postgres.js";
import { runResilience } from "../resilience/run-resilience.js";
import { runTier } from "../tier/run-tier.js";
import { TARGET_ROUND_SHARE } from "./durations.js";
import { hasGoal, measureGoals } from "./goals.js";
import { checkHonesty } from "./honesty-check.js";
import { type InputShape, type Inputs, makeInputs } from "./inputs.js";
import { measureCell } from "./interleaved.js";
import { makePlan, objectiveLoad, type Plan } from "./plan.js";
import { openStore, type Store } from "./store.js";
import type { SubjectProcess } from "./subject-process.js";
import { Subjects } from "./subjects.js";
import { readTrace } from "./trace.js";
import { generateLlmTrace } from "./trace-generator.js";
import { measureTrace } from "./trace-replay.js";
import { openLoopName, shapeOf } from "./workload.js";

/** Told while a run goes on. */
export interface BenchObserver {
  /** Once, before anything is measured. */
  begin(environment: Environment): void;
  /** Called often: where the run is. */
  progress(text: string): void;
  /** A workload is done. */
  measured(title: string, rows: readonly Comparison[]): void;
  /** Rows as they stand in the report, each as soon as it is measured; some are in no table of `measured`. */
  recorded(rows: readonly Comparison[]): void;
  note(text: string): void;
}

const SEED = 20_231_116;
/** Half an hour of the trace: every client replays it several times while somebody waits. */
const TRACE_REQUESTS = 10_000;
const DEFAULT_SLO_RATE = 10_000;
const MAX_OTHER_LOAD = 0.1;
const NOTHING = "it has no workload in common with this run";

/**
 * @throws UsageError for options that name what does not exist, StateError and Error when a store does not answer
 */
export async function runBench(options: BenchOptions, observer: BenchObserver): Promise<BenchReport> {
  const { peers: wanted } = makePlan(options, null);
  const missing = wanted.filter((name) => missingPackage(name) !== null);
  if (options.peers !== null && missing.length > 0) {
    const packages = missing.map(missingPackage).join(" ");
    throw new UsageError(`not installed, so not to be measured: ${missing.join(", ")}; npm install ${packages}`);
  }
  const baseline = options.baseline === null ? null : await readBaseline(options.baseline);
  const trace =
    options.trace === null
      ? { kind: "llm" as const, requests: generateLlmTrace(SEED, TRACE_REQUESTS), skipped: 0 }
      : await readTrace(options.trace);
  if (trace.skipped > 0) observer.note(`the trace goes on for ${trace.skipped} further lines, which are left out`);
  const settings = await readMillraceSettings(options, process.env.MILLRACE_REDIS_URL);
  const store = await openStore(settings.backend, settings.engine);
  try {
    const plan = makePlan(
      options,
      store.redis === null ? [MILLRACE] : SUBJECT_NAMES.filter((name) => !missing.includes(name)),
    );
    if (plan.peers.length === 0) throw new UsageError(`these peers need Redis: ${options.peers?.join(", ")}`);
    if (store.redis === null && settings.backend === null) {
      observer.note(
        "No Redis: neither MILLRACE_REDIS_URL nor redis-server or valkey-server on the PATH. " +
          "millrace runs alone on its embedded default; targets and comparisons need Redis.",
      );
    }
    if (store.redis !== null && missing.length > 0) {
      observer.note(`Left out, their packages are not installed: ${missing.join(", ")}`);
    }
    const subjects = await Subjects.open({
      names: plan.peers,
      millraceUrl: store.millraceUrl,
      engine: settings.engine,
      redisUrl: store.redis?.url ?? null,
      seed: SEED,
      progress: (text) => observer.progress(text),
      note: (text) => observer.note(text),
    });
    try {
      const run = new BenchRun(options, settings, plan, store, subjects, observer);
      await run.begin();
      if (options.check) await run.check();
      else await run.measure(trace);
      if (baseline !== null) run.compare(baseline.comparisons);
      return await run.report();
    } finally {
      await subjects.close();
    }
  } finally {
    await store.close();
  }
}

class BenchRun {
  readonly #options: BenchOptions;
  readonly #settings: MillraceSettings;
  readonly #plan: Plan;
  readonly #store: Store;
  readonly #subjects: Subjects;
  readonly #observer: BenchObserver;
  readonly #inputs = new Map<string, Inputs>();
  readonly #comparisons: Comparison[] = [];
  readonly #targets: Target[] = [];
  readonly #verdicts: Verdict[] = [];
  #environment!: Environment;
  #machine: MachineLoad | null = null;

  constructor(
    options: BenchOptions,
    settings: MillraceSettings,
    plan: Plan,
    store: Store,
    subjects: Subjects,
    observer: BenchObserver,
  ) {
    this.#options = options;
    this.#settings = settings;
    this.#plan = plan;
    this.#store = store;
    this.#subjects = subjects;
    this.#observer = observer;
  }

  async begin(): Promise<void> {
    const { redis, shown } = this.#store;
    this.#environment = await stampEnvironment({
      redis: redis === null ? null : `${redis.kind} ${redis.version}`,
      backend: shown,
      packages: [...this.#subjects.clients.flatMap((client) => client.packageName ?? []), ...this.#codecPackages()],
      settings: {
        ...(this.#plan.hasRounds ? { roundMs: Math.round(this.#plan.roundMs) } : {}),
        ...(this.#plan.hasOpenRuns ? { openMs: Math.round(this.#plan.openMs) } : {}),
        rate: this.#options.ratePerSec ?? "closed loop",
        quick: this.#options.quick,
        ...(this.#options.config === null ? {} : { config: this.#options.config }),
        checksum: this.#settings.engine.checksum ?? "crc32 (default)",
      },
    });
    this.#observer.begin(this.#environment);
    this.#machine = await MachineLoad.start(redis?.pid ?? null, this.#subjects.pids);
  }

  async measure(trace: Parameters<typeof measureTrace>[0]): Promise<void> {
    const { ratePerSec } = this.#options;
    const extras = this.#plan.extras;
    this.#observer.progress("making keys and values");
    await this.#subjects.prepare(this.#shapes());
    if (ratePerSec === null) await this.#closedCells();
    else await this.#openCells(ratePerSec);
    if (extras.includes("trace")) {
      const title = trace.kind === "llm" ? "LLM requests folded into windows of a minute" : "cache trace";
      this.#add(title, await measureTrace(trace, this.#subjects.clients, this.#progress));
    }
    await this.#subjects.keepOnly(MILLRACE);
    if (extras.includes("targets")) await this.#measureTargets();
    if (extras.includes("soak")) await this.#soak();
    this.#targets.push(...measureGoals(this.#comparisons));
    if (this.#plan.codecParts.length > 0) await this.#measureCodecs();
    const own = {
      quick: this.#options.quick,
      progress: this.#progress,
      note: (text: string) => this.#observer.note(text),
      measured: (title: string, rows: readonly Comparison[]) => this.#add(title, rows),
      target: (target: Target) => void this.#targets.push(target),
    };
    if (this.#plan.postgres) await runPostgres(own);
    if (this.#plan.lmdb) await runLmdb(own);
    if (this.#plan.tier) await this.#measureTier();
    if (this.#plan.observabilityParts.length > 0) await this.#measureObservability();
    if (this.#plan.resilience) await this.#measureResilience();
    for (const slo of this.#options.slos) this.#verdicts.push(await this.#judge(slo));
  }

  async check(): Promise<void> {
    const { redis } = this.#store;
    const { engine } = this.#settings;
    if (redis === null) throw new UsageError("--check delays the replies of a Redis, and there is none");
    const subjects = this.#options.peers ?? [MILLRACE, "ioredis"];
    const names = subjects.filter((name) => this.#subjects.client(name) !== undefined);
    if (names.length === 0) throw new UsageError("--check needs a client of Redis among the peers");
    this.#verdicts.push(...(await checkHonesty(names, redis, this.#inputsOf(shapeOf("put-100B@1000")), engine)));
  }

  compare(baseline: readonly Comparison[]): void {
    const verdicts = compareWithBaseline(this.#comparisons, baseline, MILLRACE, this.#options.maxRegression);
    if (verdicts.length > 0) this.#verdicts.push(...verdicts);
    else
      this.#verdicts.push({ kind: "baseline", title: "no slower than the baseline", measured: NOTHING, pass: false });
  }

  async report(): Promise<BenchReport> {
    const otherLoad = (await this.#machine?.otherShare()) ?? null;
    if (otherLoad !== null && otherLoad > MAX_OTHER_LOAD) {
      const share = `${Math.round(otherLoad * 100)} %`;
      this.#observer.note(
        `Other programs took ${share} of this machine meanwhile. The figures are lower, and latencies higher, than they ` +
          "would be on a machine of its own.",
      );
    }
    return {
      schema: 1,
      environment: { ...this.#environment, otherLoad },
      targets: this.#targets,
      comparisons: this.#comparisons,
      verdicts: this.#verdicts,
    };
  }

  #shapes(): InputShape[] {
    const shapes = new Map(
      this.#plan.cells.map(({ workload: { input } }) => [`${input.space} ${input.keyCount}`, input]),
    );
    return [...shapes.values()];
  }

  #codecPackages(): readonly string[] {
    return this.#plan.codecParts.includes("codec-1KiB") && this.#store.redis !== null ? CODEC_PEER_PACKAGES : [];
  }

  async #closedCells(): Promise<void> {
    const withGoals = this.#plan.cells.filter(({ workload, names }) =>
      names.some((name) => hasGoal(workload.name, name)),
    );
    const spare = new SpareTime(this.#plan.spareMs, withGoals.length);
    for (const { workload, names } of this.#plan.cells) {
      const sampleValue = this.#inputsOf(workload.input).values[0]!;
      const options = { roundMs: this.#plan.roundMs, names, sampleValue, spare, progress: this.#progress };
      this.#add(workload.title, await measureCell(workload, this.#subjects, options));
    }
  }

  async #openCells(ratePerSec: number): Promise<void> {
    for (const { workload, names } of this.#plan.cells) {
      await this.#subjects.load(workload.input, names);
      const rows: Comparison[] = [];
      for (const subject of this.#subjects.chosen(names)) {
        rows.push(await this.#open(workload.name, subject, ratePerSec));
      }
      this.#add(`${workload.operation}, ${workload.input.size}, ${ratePerSec} ops/s offered`, rows);
    }
  }

  #open(workload: string, subject: SubjectProcess, ratePerSec: number): Promise<Comparison> {
    return subject.ask("open", { workload, ratePerSec, durationMs: this.#plan.openMs });
  }

  async #measureTargets(): Promise<void> {
    const millrace = this.#subjects.client(MILLRACE);
    if (millrace === undefined || this.#store.redis === null) return;
    await this.#subjects.load(shapeOf("put-100B@1000"), [MILLRACE]);
    await this.#subjects.load(shapeOf("put-1KiB@1000"), [MILLRACE]);
    const { targets, comparisons } = await millrace.ask("targets", {
      roundMs: this.#plan.roundMs * TARGET_ROUND_SHARE,
    });
    this.#targets.push(...targets);
    this.#add("get and put, 100 B, 100,000 ops/s offered", comparisons);
  }

  async #measureCodecs(): Promise<void> {
    const { codecParts, partMs } = this.#plan;
    const { peers, quick } = this.#options;
    const { redis } = this.#store;
    await runCodec(codecParts, {
      ...codecBudget(codecParts, partMs),
      ...{ stores: redis === null ? {} : { redis }, peers, quick, progress: this.#progress },
      note: (text) => this.#observer.note(text),
      measured: (title, rows) => this.#add(title, rows),
      recorded: (rows) => this.#record(rows),
      target: (target) => void this.#targets.push(target),
    });
  }

  async #measureTier(): Promise<void> {
    const { redis } = this.#store;
    if (redis === null) throw new UsageError("the workload tier needs Redis");
    const { quick } = this.#options;
    await runTier({
      ...{ url: redis.url, quick, budgetMs: this.#plan.partMs, progress: this.#progress },
      note: (text) => this.#observer.note(text),
      measured: (title, rows) => this.#add(title, rows),
      target: (target) => void this.#targets.push(target),
    });
  }

  async #measureObservability(): Promise<void> {
    const { redis } = this.#store;
    if (redis === null) throw new UsageError("the workload observability needs Redis");
    const { quick } = this.#options;
    await runObservability(this.#plan.observabilityParts, {
      ...{ url: redis.url, quick, budgetMs: this.#plan.partMs, progress: this.#progress },
      measured: (title, rows) => this.#add(title, rows),
      target: (target) => void this.#targets.push(target),
    });
  }

  async #measureResilience(): Promise<void> {
    const { redis } = this.#store;
    if (redis === null) throw new UsageError("the workload resilience needs Redis");
    const { quick } = this.#options;
    await runResilience({
      ...{ url: redis.url, quick, budgetMs: this.#plan.partMs, progress: this.#progress },
      measured: (title, rows) => this.#add(title, rows),
      target: (target) => void this.#targets.push(target),
    });
  }

  async #soak(): Promise<void> {
    const millrace = this.#subjects.client(MILLRACE);
    if (millrace === undefined) return;
    await this.#subjects.load(shapeOf("put-100B@1000"), [MILLRACE]);
    const { comparison, targets } = await millrace.ask("soak", { durationMs: this.#plan.soakMs });
    this.#add("soak: 50/50 get and put, 100 B, 1000 in flight", [comparison]);
    this.#targets.push(...targets);
  }

  /** The name of an operation means its latency under load that does not wait; anything else is a measured cell. */
  async #judge(slo: Slo): Promise<Verdict> {
    const rows = this.#comparisons.filter((row) => row.subject === MILLRACE);
    const exact = rows.find((row) => row.workload === slo.target);
    if (exact !== undefined) return judgeSlo(slo, exact);
    const workload = objectiveLoad(slo.target);
    const millrace = this.#subjects.client(MILLRACE);
    if (workload === undefined || millrace === undefined) return judgeSlo(slo, undefined);
    const rate = this.#options.ratePerSec ?? DEFAULT_SLO_RATE;
    const earlier = rows.find((row) => row.workload === openLoopName(workload, rate));
    if (earlier !== undefined) return judgeSlo(slo, earlier);
    await this.#subjects.load(workload.input, [MILLRACE]);
    const row = await this.#open(workload.name, millrace, rate);
    this.#add(`${workload.operation}, ${workload.input.size}, ${rate} ops/s offered`, [row]);
    return judgeSlo(slo, row);
  }

  #add(title: string, rows: readonly Comparison[]): void {
    if (rows.length === 0) return;
    this.#record(rows);
    this.#observer.measured(title, rows);
  }

  #record(rows: readonly Comparison[]): void {
    this.#comparisons.push(...rows);
    this.#observer.recorded(rows);
  }

  #inputsOf(shape: InputShape): Inputs {
    const mark = `${shape.space} ${shape.keyCount}`;
    const known = this.#inputs.get(mark);
    if (known !== undefined) return known;
    this.#observer.progress(`making values of ${shape.size}`);
    const inputs = makeInputs(shape, SEED);
    this.#inputs.set(mark, inputs);
    return inputs;
  }

  readonly #progress = (text: string): void => this.#observer.progress(text);
}
