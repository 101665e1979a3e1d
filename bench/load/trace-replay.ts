import { CpuMeter } from "../lib/cpu-meter.js";
import type { LatencyRecorder } from "../lib/latency-recorder.js";
import { median } from "../lib/median.js";
import type { Comparison } from "../lib/report.js";
import { seededRandom } from "../lib/rng.js";
import type { Peer } from "../peers/peer.js";
import { runEach } from "./closed-loop.js";
import { KEY_PREFIX } from "./inputs.js";
import { makeValues } from "./records.js";
import type { SubjectProcess } from "./subject-process.js";
import type { CacheOperation, LlmRequest, Trace } from "./trace.js";
import { addRequest, byWindow, expectedStates } from "./window-fold.js";

const ROUNDS = 3;
const IN_FLIGHT = 1000;
const MAX_VALUE_BYTES = 1024 * 1024;

export interface Replay {
  readonly operations: number;
  readonly elapsedMs: number;
  readonly cpuUs: number;
  readonly errors: number;
}

/** The trace through every client, round robin; a store that ends in another state than memory counts as errors. */
export async function measureTrace(
  trace: Trace,
  subjects: readonly SubjectProcess[],
  progress: (text: string) => void,
): Promise<Comparison[]> {
  const workload = trace.kind === "llm" ? "trace-llm-windows" : "trace-cache";
  const replays: Replay[][] = subjects.map(() => []);
  await Promise.all(subjects.map((subject) => subject.ask("trace", { trace })));
  for (let round = 0; round < ROUNDS; round++) {
    for (let turn = 0; turn < subjects.length; turn++) {
      const index = (round + turn) % subjects.length;
      const subject = subjects[index]!;
      progress(`${workload}  round ${round + 1}/${ROUNDS}  ${subject.name}`);
      const prefix = `${KEY_PREFIX}trace:${subject.name}:${round}:`;
      replays[index]!.push(await subject.ask("replay", { prefix }));
    }
  }
  const comparisons: Comparison[] = [];
  for (const [index, subject] of subjects.entries()) {
    const latency = await subject.ask("replayed", {});
    const rates = replays[index]!.map((replay) => (replay.operations * 1000) / replay.elapsedMs);
    comparisons.push({
      workload,
      subject: subject.name,
      opsPerSec: median(rates),
      p50Us: latency.p50Us,
      p99Us: latency.p99Us,
      p999Us: latency.p999Us,
      cpuUsPerOp: median(replays[index]!.map((replay) => replay.cpuUs / replay.operations)),
      errors: replays[index]!.reduce((sum, replay) => sum + replay.errors, 0),
      meanUs: latency.meanUs,
      maxUs: latency.maxUs,
      rounds: rates.map(Math.round),
    });
  }
  return comparisons;
}

/** The trace once through one client, below keys of its own. */
export function replayTrace(trace: Trace, peer: Peer, prefix: string, recorder: LatencyRecorder): Promise<Replay> {
  return trace.kind === "llm"
    ? foldWindows(trace.requests, peer, prefix, recorder)
    : replayCache(trace.operations, peer, prefix, recorder);
}

/** All minutes at once, each minute's requests in their order: read its state, add, write it back. */
export async function foldWindows(
  requests: readonly LlmRequest[],
  peer: Peer,
  prefix: string,
  recorder: LatencyRecorder,
): Promise<Replay> {
  const windows = [...byWindow(requests)];
  const cpu = new CpuMeter();
  const start = performance.now();
  let operations = 0;
  let errors = await runEach(windows.length, IN_FLIGHT, async (index) => {
    const [window, list] = windows[index]!;
    const key = `${prefix}${window}`;
    for (const request of list) {
      const asked = performance.now();
      const stored = await peer.get(key);
      const answered = performance.now();
      recorder.record(answered - asked);
      const next = addRequest(stored === null ? null : text(stored), request);
      const written = performance.now();
      await peer.put(key, next);
      recorder.record(performance.now() - written);
      operations += 2;
    }
  });
  const elapsedMs = performance.now() - start;
  const cpuUs = cpu.elapsedUs();
  for (const [window, expected] of expectedStates(requests)) {
    const stored = await peer.get(`${prefix}${window}`);
    if (stored === null || text(stored) !== expected) errors++;
    await peer.delete(`${prefix}${window}`);
  }
  return { operations, elapsedMs, cpuUs, errors };
}

/**
 * In the order of the trace, many at once, every read compared with what a plain map holds at that point: clients
 * that keep the order of their calls answer every read as the map does.
 */
export async function replayCache(
  trace: readonly CacheOperation[],
  peer: Peer,
  prefix: string,
  recorder: LatencyRecorder,
): Promise<Replay> {
  const text100 = makeValues(seededRandom(7), "100B", 200).join("");
  const model = new Map<string, string>();
  let wrong = 0;
  const cpu = new CpuMeter();
  const start = performance.now();
  let errors = await runEach(trace.length, IN_FLIGHT, async (index) => {
    const { operation, key: name, valueBytes, ttlMs } = trace[index]!;
    const key = prefix + name;
    const asked = performance.now();
    if (operation === "get") {
      const expected = model.get(key) ?? null;
      const read = await peer.get(key);
      recorder.record(performance.now() - asked);
      if ((read === null ? null : text(read)) !== expected) wrong++;
      return;
    }
    if (operation === "put") {
      const value = cutValue(text100, index, valueBytes);
      model.set(key, value);
      // Lifetimes of the trace are seconds to days, its replay takes a moment: none may end within it.
      await (ttlMs === 0 ? peer.put(key, value) : peer.putWithTtl(key, value, Math.max(ttlMs, 600_000)));
    } else {
      model.delete(key);
      await peer.delete(key);
    }
    recorder.record(performance.now() - asked);
  });
  const elapsedMs = performance.now() - start;
  const cpuUs = cpu.elapsedUs();
  const expected = [...model];
  errors += await runEach(expected.length, IN_FLIGHT, async (index) => {
    const [key, value] = expected[index]!;
    const stored = await peer.get(key);
    if (stored === null || text(stored) !== value) wrong++;
    await peer.delete(key);
  });
  return { operations: trace.length, elapsedMs, cpuUs, errors: errors + wrong };
}

function cutValue(source: string, index: number, bytes: number): string {
  const length = Math.min(bytes, MAX_VALUE_BYTES);
  const from = (index * 101) % (source.length >>> 1);
  const piece = source.slice(from, from + length);
  return piece.length === length ? piece : piece.padEnd(length, source);
}

function text(value: Uint8Array | string): string {
  return typeof value === "string" ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString();
}
