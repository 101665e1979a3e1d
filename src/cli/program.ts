import { readFileSync } from "node:fs";
import { Command, CommanderError, InvalidArgumentError as InvalidFlag } from "commander";
import { StateError } from "../core/errors.js";
import { deleteCommand } from "./commands/delete.js";
import { doctorCommand } from "./commands/doctor.js";
import { getCommand } from "./commands/get.js";
import { type KeysFlags, keysCommand } from "./commands/keys.js";
import { type PutFlags, putCommand } from "./commands/put.js";
import { type ServeFlags, serveCommand } from "./commands/serve.js";
import { type StatsFlags, statsCommand } from "./commands/stats.js";
import { type Console, complain, type ExitCode } from "./console.js";
import { Failure, UsageError } from "./failure.js";
import type { StoreFlags } from "./settings.js";

const ENVIRONMENT_HELP = `
Settings: a flag wins over a variable, a variable over the file, the file over the default.
  MILLRACE_CONFIG                names the file; it is TOML with the names of the engine's options
  MILLRACE_BACKEND               the store, as --backend
  MILLRACE_BATCHING_MAX_SIZE …   every option of the engine has its variable
                                 none of these three counts for bench, which writes to the store it is given
  MILLRACE_ADMIN_TOKEN …         those of serve: HOST, PORT, TOKEN, TITLE; in the file they stand in [admin]

Exit: 0, 1 (it failed), 2 (called wrongly).`;

/** The command; resolves to its exit code. */
export async function runMillrace(args: readonly string[], console: Console): Promise<ExitCode> {
  // The bench reads its own options, and its help is its own.
  if (args[0] === "bench") return runBench(args.slice(1));
  try {
    await programFor(console).parseAsync([...args], { from: "user" });
    return 0;
  } catch (error) {
    return exitCodeOf(error, console);
  }
}

async function runBench(args: readonly string[]): Promise<ExitCode> {
  // By the package's own name, as any caller would: the bench stands above this folder.
  const { runCli } = await import("millrace/bench");
  return runCli(args);
}

function exitCodeOf(error: unknown, console: Console): ExitCode {
  // commander has said what is wrong, or shown its help.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof UsageError || (error instanceof StateError && isCallersMistake(error))) {
    complain(console, `millrace: ${error.message}`);
    return 2;
  }
  if (error instanceof Failure) complain(console, `millrace: ${error.message}`);
  else if (error instanceof StateError) complain(console, `millrace: ${error.message} [${error.reason ?? error.code}]`);
  else complain(console, String((error as Error).stack));
  return 1;
}

function isCallersMistake({ code }: StateError): boolean {
  return code === "CONFIG" || code === "INVALID_ARGUMENT";
}

function programFor(console: Console): Command {
  const program = new Command("millrace")
    .description("Looks after the state of a service: in memory, LMDB, Redis or Valkey, PostgreSQL.")
    .version(versionOf(), "-V, --version")
    .showSuggestionAfterError()
    .addHelpText("after", ENVIRONMENT_HELP)
    .configureOutput({
      writeOut: (text) => console.output.write(text),
      writeErr: (text) => console.errors.write(text),
    })
    .exitOverride();

  const onStore = (usage: string, description: string): Command =>
    program
      .command(usage)
      .description(description)
      .option("-b, --backend <url>", "the store, such as redis://127.0.0.1:6379/0 or lmdb:./state")
      .option("-c, --config <file>", "options from a TOML file")
      .option("--key-prefix <text>", "what stands before every key in the store (default: state:)")
      .option("--json", "one JSON document, or one per line where there are many");

  onStore("serve", "serve health, metrics and a live page over HTTP until stopped")
    .option("--host <address>", "address to listen on (default: 127.0.0.1)")
    .option("-p, --port <number>", "port to listen on; 0: a free one (default: 9464)", wholeNumber)
    .option("--token <token>", "what readers must present; better in MILLRACE_ADMIN_TOKEN, which no process list shows")
    .option("--no-token", "let anyone who reaches the address read")
    .option("--title <text>", "name of the service on the page")
    .option("--probe <ms>", "ask the store a small question so often; 0: never (default: 1000)", probeInterval)
    .action((flags: ServeFlags) => serveCommand(console, flags));
  onStore("doctor", "try everything a service needs of its store").action((flags: StoreFlags) =>
    doctorCommand(console, flags),
  );
  onStore("keys", "list keys, one per line")
    .argument("[prefix]", "only those that begin so")
    .option("-n, --limit <number>", "stop after so many", wholeNumber)
    .option("--count", "say only how many there are")
    .action((prefix: string | undefined, flags: KeysFlags) => keysCommand(console, prefix, flags));
  onStore("get", "write the value of a key to standard output, byte by byte")
    .argument("<key>")
    .action((key: string, flags: StoreFlags) => getCommand(console, key, flags));
  onStore("put", "store a value")
    .argument("<key>")
    .argument("[value]", "absent or -: standard input, byte by byte")
    .option("--ttl <time>", "lifetime: milliseconds, or 90s, 15m, 12h, 7d", lifetime)
    .action((key: string, value: string | undefined, flags: PutFlags) => putCommand(console, key, value, flags));
  onStore("delete", "delete keys")
    .argument("<key...>")
    .action((keys: string[], flags: StoreFlags) => deleteCommand(console, keys, flags));
  onStore("stats", "figures of the store, or with --url those of a running service")
    .option("-u, --url <url>", "a service's admin server, such as http://127.0.0.1:9464")
    .option("--token <token>", "its token; better in MILLRACE_ADMIN_TOKEN")
    .action((flags: StatsFlags) => statsCommand(console, flags));
  program.command("bench").description("measure awaited single operations; options: millrace bench --help");
  return program;
}

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidFlag("It must be a whole number.");
  return Number(text);
}

/** A timer takes no more than 2^31 milliseconds, and fires at once beyond. */
const MAX_PROBE_MS = 86_400_000;

function probeInterval(text: string): number {
  const everyMs = wholeNumber(text);
  if (everyMs > MAX_PROBE_MS) throw new InvalidFlag(`It must be at most ${MAX_PROBE_MS} ms, a day.`);
  return everyMs;
}

const UNIT_MS: Readonly<Record<string, number>> = { "": 1, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function lifetime(text: string): number {
  const [, amount, unit] = /^(\d{1,12})(ms|s|m|h|d|)$/.exec(text) ?? [];
  if (amount === undefined) throw new InvalidFlag("It must be milliseconds, or a number with ms, s, m, h or d.");
  return Number(amount) * UNIT_MS[unit!]!;
}

function versionOf(): string {
  const file = new URL("../../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }).version;
}
