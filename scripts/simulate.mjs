// npm run simulate [-- --seeds N --from N | --seed N --trace]: runs the pipeline against a simulated network and store.
import { build } from "./steps/build.mjs";
import { install } from "./steps/install.mjs";
import { run } from "./steps/process.mjs";

await install();
await build();
process.exit(await run(process.execPath, ["dist/test/simulation/main.js", ...process.argv.slice(2)]));
