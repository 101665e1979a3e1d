// npm run simulate [-- --seeds N --from N --docs FILE | --seed N --trace]: runs the pipeline against a simulated network
// and store. Without options it is the run whose figures stand in docs/reliability.md, and writes them there.
import { build } from "./steps/build.mjs";
import { install } from "./steps/install.mjs";
import { run } from "./steps/process.mjs";

await install();
await build();
const given = process.argv.slice(2);
const options = given.length === 0 ? ["--docs", "docs/reliability.md"] : given;
process.exit(await run(process.execPath, ["dist/test/simulation/main.js", ...options]));
