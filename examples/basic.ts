// Counts words per minute, as a service would that gets them one by one.
// In a checkout: npm run build, then node examples/basic.ts [URL] (Node 22.18 or newer; compile it for older ones).
import { createEngine } from "millrace";

const engine = await createEngine(process.argv[2] ?? "memory:");
const counts = engine.namespace("words:");

async function onWord(word: string, minute: number): Promise<void> {
  const key = `${minute}:${word}`;
  const count = await counts.increment(key);
  if (count === 1n) await counts.expire(key, 60 * 60_000);
}

// All at once: the calls of one turn of the event loop share batches.
const words = "the mill grinds the grain the river drives the mill".split(" ");
await Promise.all(words.map((word) => onWord(word, 1)));

for (const key of (await counts.listKeys("1:")).sort()) {
  console.log(key, String(await counts.get(key)));
}
await counts.clear();
await engine.close();
