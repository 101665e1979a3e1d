// npm run chaos [-- options]: sets everything up, then runs the chaos runner. Without options it is the run whose
// figures stand in docs/reliability.md, and writes them there.
import { setUp } from "./setup.mjs";
import { fail, run } from "./steps/process.mjs";

const { redis } = await setUp();
if (redis === null) fail("faults need a server of their own");
const given = process.argv.slice(2);
const options = given.length === 0 ? ["--docs", "docs/reliability.md"] : given;
const code = await run(process.execPath, ["dist/bench/chaos/main.js", ...options], redis.env);
await redis.stop();
process.exit(code);
