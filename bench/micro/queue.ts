import { Ring } from "../../src/core/ring.js";
import { createEngine } from "../../src/index.js";
import { seededRandom } from "../lib/rng.js";
import { zipfGenerator } from "../lib/zipf.js";
import { keyOf } from "../load/inputs.js";
import { makeValues } from "../load/records.js";
import { NullDriver } from "./null-driver.js";
import type { MicroSuite } from "./suite.js";

const CONCURRENT = 1000;

/** The way of an operation from the call to its settling, without codec, socket or store. */
export async function queueSuite(): Promise<MicroSuite> {
  const engine = await createEngine({ backend: new NullDriver() });
  const random = seededRandom(1);
  const values = makeValues(random, "100B", CONCURRENT);
  const distinct = Array.from({ length: CONCURRENT }, (_, index) => keyOf("m", index));
  const nextHot = zipfGenerator(random, CONCURRENT, 0.99);
  const hot = distinct.map(() => distinct[nextHot()]!);
  const ring = new Ring<number>(4096);
  const all = async (issue: (index: number) => Promise<unknown>): Promise<void> => {
    const calls: Promise<unknown>[] = [];
    for (let index = 0; index < CONCURRENT; index++) calls.push(issue(index));
    await Promise.all(calls);
  };
  return {
    cases: [
      {
        name: "ring: push and shift",
        operations: CONCURRENT,
        run: () => {
          for (let index = 0; index < CONCURRENT; index++) ring.push(index);
          while (ring.shift() !== undefined);
        },
      },
      { name: "get, 1000 at once", operations: CONCURRENT, run: () => all((index) => engine.get(distinct[index]!)) },
      {
        name: "put, 1000 at once",
        operations: CONCURRENT,
        run: () => all((index) => engine.put(distinct[index]!, values[index]!)),
      },
      {
        name: "get and put, 1000 at once, Zipf keys",
        operations: CONCURRENT,
        run: () =>
          all((index) => (index % 2 === 0 ? engine.get(hot[index]!) : engine.put(hot[index]!, values[index]!))),
      },
      {
        name: "batchGet of 1000",
        operations: CONCURRENT,
        run: async () => {
          await engine.batchGet(distinct);
        },
      },
    ],
    close: () => engine.close(),
  };
}
