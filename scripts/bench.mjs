// npm run bench [-- options of the bench]: sets everything up, then runs the bench.
import { setUp } from "./setup.mjs";
import { run, say } from "./steps/process.mjs";

const { redis } = await setUp();
if (redis === null) say("the bench runs on the embedded default");
// Absent, it tells the bench that there is no Redis to be had.
const found = redis === null ? {} : { ...redis.env, MILLRACE_BENCH_REDIS: redis.found };
const code = await run(process.execPath, ["dist/bench/main.js", ...process.argv.slice(2)], found);
await redis?.stop();
process.exit(code);
