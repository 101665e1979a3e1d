#!/usr/bin/env node
import { runCli } from "./command.js";

process.exitCode = await runCli(process.argv.slice(2));
