#!/usr/bin/env node
import { letReaderLeave } from "./console.js";
import { runMillrace } from "./program.js";

letReaderLeave(process.stdout);
process.exitCode = await runMillrace(process.argv.slice(2), {
  input: process.stdin,
  output: process.stdout,
  errors: process.stderr,
  environment: process.env,
});
