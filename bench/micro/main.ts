import { parseArgs } from "node:util";
import { Bench } from "tinybench";
import { formatRate } from "../lib/numbers.js";
import { formatTable } from "../lib/table.js";
import { codecSuite } from "./codec.js";
import { envelopeSuite } from "./envelope.js";
import { queueSuite } from "./queue.js";
import type { MicroSuite } from "./suite.js";
import { valuesSuite } from "./values.js";

const SUITES: Record<string, () => Promise<MicroSuite>> = {
  queue: queueSuite,
  envelope: envelopeSuite,
  codec: codecSuite,
  values: valuesSuite,
};
const TIME_MS = 200;
const WARM_UP_MS = 50;
const NS_PER_MS = 1e6;

const { values } = parseArgs({ options: { scope: { type: "string", multiple: true } } });
const scopes = values.scope ?? Object.keys(SUITES);
const unknown = scopes.find((scope) => SUITES[scope] === undefined);
if (unknown === undefined) {
  for (const scope of scopes) await runSuite(scope, await SUITES[scope]!());
} else {
  process.stderr.write(`there is no scope ${unknown}; there are ${Object.keys(SUITES).join(", ")}\n`);
  process.exitCode = 2;
}

async function runSuite(name: string, suite: MicroSuite): Promise<void> {
  const bench = new Bench({ time: TIME_MS, warmupTime: WARM_UP_MS, throws: true });
  for (const { name: title, run } of suite.cases) bench.add(title, run);
  await bench.run();
  const rows = bench.tasks.map((task, index) => {
    const { result } = task;
    if (result.state !== "completed") throw new Error(`${task.name} did not run to its end: ${result.state}`);
    const operations = suite.cases[index]!.operations;
    const ns = (result.latency.p50 * NS_PER_MS) / operations;
    return [task.name, ns.toFixed(ns < 100 ? 1 : 0), `${formatRate(1e9 / ns)}/s`, `${result.latency.rme.toFixed(1)} %`];
  });
  await suite.close();
  process.stdout.write(`\n${formatTable([name, "ns/op", "rate", "spread"], rows)}\n`);
}
