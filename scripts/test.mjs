// npm test [-- part-of-a-path… --node-option…]: sets everything up, then runs the compiled tests.
import { availableParallelism } from "node:os";
import { setUp } from "./setup.mjs";
import { provideBrowser } from "./steps/browser.mjs";
import { filesBelow } from "./steps/build.mjs";
import { fail, run } from "./steps/process.mjs";
import { providePromtool } from "./steps/promtool.mjs";

const FILE_TIMEOUT_MS = 600_000;

const options = process.argv.slice(2).filter((argument) => argument.startsWith("-"));
const parts = process.argv.slice(2).filter((argument) => !argument.startsWith("-"));

const { redis, postgres } = await setUp();
const serversRequired = !["", "0", "false"].includes(process.env.MILLRACE_REQUIRE_SERVERS ?? "");
if ((redis === null || postgres === null) && serversRequired)
  fail("MILLRACE_REQUIRE_SERVERS is set, so tests without Redis and PostgreSQL would prove too little");

const browser = await provideBrowser();
if (browser === null && serversRequired)
  fail("MILLRACE_REQUIRE_SERVERS is set, so tests without a Chromium would prove too little");

await providePromtool();

const files = filesBelow("dist/test")
  .filter((file) => file.endsWith(".test.js"))
  .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)))
  .sort();
if (files.length === 0) fail("no test file matches");

// Every file is a process, and many start a server beside it: more than the cores only makes them wait for each other.
const concurrency = Math.max(1, Math.min(4, availableParallelism()));
const code = await run(
  process.execPath,
  [
    "--test",
    "--test-reporter=spec",
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${FILE_TIMEOUT_MS}`,
    ...options,
    ...files,
  ],
  { ...redis?.env, ...(browser === null ? {} : { MILLRACE_CHROMIUM: browser }) },
);
await redis?.stop();
process.exit(code);
