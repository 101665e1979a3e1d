import { collectYoungGarbage } from "../lib/garbage.js";
import { LatencyRecorder } from "../lib/latency-recorder.js";
import type { OrderHandlers } from "../lib/order-protocol.js";
import { MillracePeer } from "../peers/millrace.js";
import type { Peer } from "../peers/peer.js";
import { type LoopResult, runClosedLoop, runEach } from "./closed-loop.js";
import { type InputShape, type Inputs, keyOf, makeInputs, yardstickKeyOf } from "./inputs.js";
import { measureOpen } from "./open-cell.js";
import { runSoak } from "./soak.js";
import type { RoundOrder, SubjectOrders } from "./subject-protocol.js";
import { measureTargets } from "./targets.js";
import type { Trace } from "./trace.js";
import { type Replay, replayTrace } from "./trace-replay.js";
import { bindOperation, shapeOf, TTL_MS, type Workload, workloadNamed } from "./workload.js";

/** A service has been running for longer than its compiler needs to learn it, which takes about a second. */
const FIRST_WARM_UP_MS = 1200;
const WARM_UP_MS = 150;
/** With so few in flight code that runs once per batch, and codecs, are compiled later. */
const FEW_IN_FLIGHT = { upTo: 10, warmUpMs: 400 };
const LOAD_IN_FLIGHT = 1000;

interface Cell {
  readonly workload: Workload;
  readonly inputs: Inputs;
  readonly recorder: LatencyRecorder;
}

/** A client under load, with what it is loaded with. */
export class Subject {
  readonly #peer: Peer;
  readonly #seed: number;
  readonly #progress: (text: string) => void;
  readonly #inputs = new Map<string, Inputs>();
  #cell: Cell | null = null;
  #isWarm = false;
  #trace: Trace | null = null;
  #replays = new LatencyRecorder();

  constructor(peer: Peer, seed: number, progress: (text: string) => void) {
    this.#peer = peer;
    this.#seed = seed;
    this.#progress = progress;
  }

  readonly orders: OrderHandlers<SubjectOrders> = {
    prepare: async ({ shapes }: SubjectOrders["prepare"]["order"]) => {
      for (const shape of shapes) this.#inputsOf(shape);
      return null;
    },
    load: ({ shape, keys }: SubjectOrders["load"]["order"]) => this.#load(this.#inputsOf(shape), keys),
    begin: ({ workload }: SubjectOrders["begin"]["order"]) => this.#begin(workloadNamed(workload)),
    round: (order: RoundOrder) => this.#round(order),
    end: async () => this.#current().recorder.summary(),
    open: ({ workload, ...options }: SubjectOrders["open"]["order"]) => {
      const load = workloadNamed(workload);
      return measureOpen(load, this.#inputsOf(load.input), this.#peer, { ...options, progress: this.#progress });
    },
    trace: async ({ trace }: SubjectOrders["trace"]["order"]) => {
      this.#trace = trace;
      return null;
    },
    replay: ({ prefix }: SubjectOrders["replay"]["order"]) => this.#replay(prefix),
    replayed: async () => this.#replays.summary(),
    targets: ({ roundMs }: SubjectOrders["targets"]["order"]) => {
      const inputs = {
        small: this.#inputsOf(shapeOf("put-100B@1000")),
        json: this.#inputsOf(shapeOf("put-1KiB@1000")),
      };
      return measureTargets(this.#engine(), inputs, { roundMs, progress: this.#progress });
    },
    soak: ({ durationMs }: SubjectOrders["soak"]["order"]) =>
      runSoak(this.#peer, this.#inputsOf(shapeOf("put-100B@1000")), durationMs, this.#progress),
    close: async () => {
      await this.#peer.close();
      return null;
    },
  };

  #engine(): MillracePeer {
    if (this.#peer instanceof MillracePeer) return this.#peer;
    throw new Error(`the targets are not measured with ${this.#peer.name}`);
  }

  async #load(inputs: Inputs, keys: "own" | "yardstick"): Promise<number> {
    const key = keys === "own" ? keyOf : yardstickKeyOf;
    return runEach(inputs.keyCount, LOAD_IN_FLIGHT, (index) =>
      this.#peer.put(key(inputs.space, index), inputs.values[index % inputs.values.length]!),
    );
  }

  async #begin(workload: Workload): Promise<number> {
    const inputs = this.#inputsOf(workload.input);
    this.#cell = { workload, inputs, recorder: new LatencyRecorder() };
    collectYoungGarbage();
    const wrong = await misreadings(this.#peer, inputs);
    const usualMs = workload.inFlight <= FEW_IN_FLIGHT.upTo ? FEW_IN_FLIGHT.warmUpMs : WARM_UP_MS;
    await this.#loop(this.#isWarm ? usualMs : FIRST_WARM_UP_MS);
    this.#isWarm = true;
    return wrong;
  }

  #round({ durationMs, warmUpMs, isTimed }: RoundOrder): Promise<LoopResult> {
    collectYoungGarbage();
    return this.#loop(durationMs, warmUpMs, isTimed ? this.#current().recorder : undefined);
  }

  #loop(durationMs: number, warmUpMs = 0, recorder?: LatencyRecorder): Promise<LoopResult> {
    const { workload, inputs } = this.#current();
    return runClosedLoop({
      issue: bindOperation(workload.operation, this.#peer, inputs),
      inFlight: workload.inFlight,
      durationMs,
      warmUpMs,
      ...(recorder === undefined ? {} : { recorder }),
    });
  }

  async #replay(prefix: string): Promise<Replay> {
    if (this.#trace === null) throw new Error("there is no trace to replay");
    collectYoungGarbage();
    return replayTrace(this.#trace, this.#peer, prefix, this.#replays);
  }

  #current(): Cell {
    if (this.#cell === null) throw new Error("no cell was begun");
    return this.#cell;
  }

  #inputsOf(shape: InputShape): Inputs {
    const mark = `${shape.space} ${shape.keyCount}`;
    let inputs = this.#inputs.get(mark);
    if (inputs === undefined) {
      inputs = makeInputs(shape, this.#seed);
      this.#inputs.set(mark, inputs);
    }
    return inputs;
  }
}

/** Speed without right answers is worth nothing: writes some values, reads them back, counts what differs. */
async function misreadings(peer: Peer, inputs: Inputs): Promise<number> {
  const samples = inputs.values.slice(0, 20).map((value, index) => [keyOf("probe", index), value] as const);
  let wrong = 0;
  await Promise.all(samples.map(([key, value]) => peer.putWithTtl(key, value, TTL_MS)));
  await Promise.all(
    samples.map(async ([key, value]) => {
      const read = await peer.get(key);
      if (read === null || Buffer.from(read as Uint8Array).toString() !== value) wrong++;
    }),
  );
  return wrong;
}
