import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { BenchReport } from "../../../bench/lib/report.js";
import { startRedis, type TemporaryFolder, temporaryFolder } from "../../../src/testing/index.js";
import { redisIsThere } from "../../support/stores.js";

const SCRIPT = fileURLToPath(new URL("../../../src/cli/main.js", import.meta.url));

interface Run {
  readonly code: number | null;
  readonly output: Buffer;
  readonly text: string;
  readonly errors: string;
}

let folder: TemporaryFolder;

function start(args: readonly string[], variables: Record<string, string> = {}): ChildProcessWithoutNullStreams {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("MILLRACE_"));
  return spawn(process.execPath, [SCRIPT, ...args], {
    cwd: folder.path,
    env: { ...Object.fromEntries(inherited), ...variables },
  });
}

async function finish(child: ChildProcessWithoutNullStreams): Promise<Run> {
  const output: Buffer[] = [];
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const [code] = (await once(child, "close")) as [number | null];
  const bytes = Buffer.concat(output);
  return { code, output: bytes, text: bytes.toString(), errors };
}

async function millrace(
  args: readonly string[],
  { input = "", variables = {} }: { input?: string | Buffer; variables?: Record<string, string> } = {},
): Promise<Run> {
  const child = start(args, variables);
  child.stdin.end(input);
  return finish(child);
}

describe("the command", () => {
  before(async () => {
    folder = await temporaryFolder();
  });
  after(() => folder.remove());

  test("puts bytes from a pipe and gives exactly them back", async () => {
    const value = Buffer.concat([randomBytes(50_000), Buffer.from("\r\n\0")]);
    const put = await millrace(["put", "bytes", "-b", "lmdb:./bytes"], { input: value });
    assert.deepEqual([put.code, put.text, put.errors], [0, "", ""]);
    const got = await millrace(["get", "bytes", "-b", "lmdb:./bytes"]);
    assert.equal(got.code, 0);
    assert.ok(got.output.equals(value));
    const json = JSON.parse((await millrace(["get", "bytes", "-b", "lmdb:./bytes", "--json"])).text) as {
      encoding: string;
      value: string;
    };
    assert.equal(json.encoding, "base64");
    assert.ok(Buffer.from(json.value, "base64").equals(value));
  });

  test("lists, counts and deletes keys, one per line", async () => {
    const store = ["-b", "lmdb:./keys"];
    for (const key of ["order:1", "order:2", "user:1", "with\nbreak"]) await millrace(["put", key, "x", ...store]);
    const listed = await millrace(["keys", ...store]);
    assert.deepEqual(listed.text.trim().split("\n").sort(), ['"with\\nbreak"', "order:1", "order:2", "user:1"]);
    assert.equal((await millrace(["keys", "order:", "--count", ...store])).text, "2\n");
    assert.equal((await millrace(["keys", "order:", "-n", "1", ...store])).text.trim().split("\n").length, 1);
    const removed = await millrace(["delete", "order:1", "order:2", "nobody", "--json", ...store]);
    assert.deepEqual(JSON.parse(removed.text), { deleted: 2, asked: 3 });
    assert.equal((await millrace(["keys", "--json", "--count", ...store])).text, '{"count":2}\n');
  });

  test("gives a key that is not there exit 1 and nothing on standard output", async () => {
    const { code, text, errors } = await millrace(["get", "nobody", "-b", "memory:"]);
    assert.deepEqual([code, text], [1, ""]);
    assert.match(errors, /no key "nobody"/);
  });

  test("keeps a value as long as it was told", async () => {
    await millrace(["put", "short", "x", "--ttl", "1ms", "-b", "lmdb:./ttl"]);
    await millrace(["put", "long", "x", "--ttl", "7d", "-b", "lmdb:./ttl"]);
    assert.equal((await millrace(["keys", "-b", "lmdb:./ttl"])).text, "long\n");
  });

  test("explains a wrong call with exit 2 and says what was probably meant", async () => {
    for (const [args, pattern] of [
      [["sevre"], /Did you mean serve\?/],
      [["get", "key", "--backand", "memory:"], /Did you mean --backend\?/],
      [["get"], /missing required argument 'key'/],
      [["get", "", "-b", "memory:"], /the key is empty/],
      [["put", "key", "x", "--ttl", "soon"], /number with ms, s, m, h or d/],
      [["serve", "--host", "0.0.0.0", "-b", "memory:"], /other machines.*token/],
      [["get", "key", "-b", "redus://h"], /did you mean "redis:".*from --backend/],
    ] as const) {
      const { code, text, errors } = await millrace(args);
      assert.deepEqual([code, text], [2, ""], args.join(" "));
      assert.match(errors, pattern);
    }
    const help = await millrace(["serve", "--help"]);
    assert.equal(help.code, 0);
    assert.match(help.text, /--no-token/);
  });

  test("takes options from flag, variable and file in this order", async () => {
    const file = join(folder.path, "order.toml");
    await writeFile(file, 'backend = "lmdb:./from-file"\nkeyPrefix = "file:"\n[batching]\nmaxSize = 7\n');
    const options = async (args: readonly string[], variables: Record<string, string>): Promise<unknown> => {
      const { text, errors } = await millrace(["doctor", "--json", ...args], { variables });
      const found = JSON.parse(text === "" ? errors : text) as {
        options: { backend: string; keyPrefix: string; batching: { maxSize: number; lingerMs: number } };
      };
      const { backend, keyPrefix, batching } = found.options;
      return [backend, keyPrefix, batching.maxSize, batching.lingerMs];
    };
    assert.deepEqual(await options(["-c", file], {}), ["lmdb:./from-file", "file:", 7, 0]);
    const variables = { MILLRACE_CONFIG: file, MILLRACE_KEY_PREFIX: "variable:", MILLRACE_BATCHING_LINGER_MS: "2" };
    assert.deepEqual(await options([], variables), ["lmdb:./from-file", "variable:", 7, 2]);
    assert.deepEqual(await options(["--key-prefix", "flag:", "-b", "memory:"], variables), ["memory:", "flag:", 7, 2]);
  });

  test("says where a refused setting stands, and never shows a password", async () => {
    const file = join(folder.path, "wrong.toml");
    await writeFile(file, "[batching]\nmaxSizes = 7\n");
    const mistyped = await millrace(["keys", "-c", file]);
    assert.equal(mistyped.code, 2);
    assert.match(mistyped.errors, /did you mean batching\.maxSize\? \(from .*wrong\.toml\)/);
    await writeFile(file, 'backend = "redis://me:hunter2@host\n');
    const broken = await millrace(["keys", "-c", file]);
    assert.equal(broken.code, 2);
    assert.match(broken.errors, /wrong\.toml:1:\d+/);
    const absent = await millrace(["keys", "-c", join(folder.path, "absent.toml")]);
    assert.equal(absent.code, 2);
    assert.match(absent.errors, /absent\.toml cannot be read: there is no such file/);
    const nowhere = await millrace(["stats", "--url", "127.0.0.1:9464"]);
    assert.equal(nowhere.code, 2);
    const variable = await millrace(["keys"], { variables: { MILLRACE_RETRY_RETRIES: "many" } });
    assert.match(variable.errors, /retry\.retries: must be .*"many" \(from MILLRACE_RETRY_RETRIES\)/);
    const unknown = await millrace(["keys", "-b", "memory:"], { variables: { MILLRACE_RETRY_RETRYS: "3" } });
    assert.equal(unknown.code, 0);
    assert.match(unknown.errors, /did you mean MILLRACE_RETRY_RETRIES\?/);
    const lost = await millrace(["doctor", "--json", "-b", "redis://me:hunter2@127.0.0.1:1"]);
    assert.equal(lost.code, 1);
    for (const { text, errors } of [mistyped, broken, variable, lost]) assert.doesNotMatch(text + errors, /hunter2/);
  });

  test("serves until it is told to stop, and ends well", async () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const token = "a-token-of-enough-letters";
      const child = start(["serve", "-b", "memory:", "-p", "0", "--json", "--probe", "20"], {
        MILLRACE_ADMIN_TOKEN: token,
      });
      const finished = finish(child);
      const [line] = (await once(child.stdout, "data")) as [Buffer];
      const { url } = JSON.parse(line.toString()) as { url: string };
      assert.equal((await fetch(`${url}/stats`)).status, 401);
      const stats = await millrace(["stats", "--url", url, "--json"], { variables: { MILLRACE_ADMIN_TOKEN: token } });
      assert.equal((JSON.parse(stats.text) as { circuit: string }).circuit, "closed");
      assert.match((await millrace(["stats", "--url", url])).errors, /asks for a token/);
      child.kill(signal);
      const { code, errors } = await finished;
      assert.deepEqual([code, errors], [0, ""], signal);
      await assert.rejects(fetch(url));
    }
  });

  test("settings of the admin server matter to serve alone, and those of nothing are pointed out", async () => {
    const file = join(folder.path, "admin.toml");
    await writeFile(file, '[admin]\nhost = "0.0.0.0"\n');
    const store = ["-b", "lmdb:./admin", "-c", file];
    const open = { variables: { MILLRACE_ADMIN_HOST: "0.0.0.0" } };
    assert.equal((await millrace(["put", "key", "x", ...store], open)).code, 0);
    const exposed = await millrace(["serve", ...store]);
    assert.equal(exposed.code, 2);
    assert.match(exposed.errors, /can be reached from other machines/);
    const mistyped = await millrace(["serve", ...store], { variables: { MILLRACE_ADMIN_TOKN: "x".repeat(20) } });
    assert.match(mistyped.errors, /did you mean MILLRACE_ADMIN_TOKEN\?/);
    await writeFile(file, "admin = 5\n");
    assert.match((await millrace(["serve", ...store])).errors, /admin: must be a section/);
    const often = await millrace(["serve", "-b", "memory:", "--probe", "3000000000"]);
    assert.equal(often.code, 2);
    assert.match(often.errors, /at most 86400000 ms/);
  });

  test("a store named by a flag is asked, whatever service a variable names", async () => {
    const { code, text } = await millrace(["stats", "-b", "memory:", "--json"], {
      variables: { MILLRACE_URL: "http://127.0.0.1:1" },
    });
    assert.equal(code, 0);
    assert.equal((JSON.parse(text) as { backend: string }).backend, "memory");
  });

  test("stops listing when its reader leaves", async () => {
    const store = ["-b", "lmdb:./many"];
    await millrace(["put", "key", "x", ...store]);
    const child = start(["keys", ...store]);
    child.stdout.destroy();
    const { code, errors } = await finish(child);
    assert.deepEqual([code, errors], [0, ""]);
  });

  test("hands over to the bench", async () => {
    const { code, text } = await millrace(["bench", "--list"]);
    assert.equal(code, 0);
    assert.match(text, /get-100B@1000/);
    assert.equal((await millrace(["bench", "--workload", "nonsense"])).code, 2);
  });

  test("benches millrace with the options of a file, on the store that it names and no variable does", async () => {
    const file = join(folder.path, "bench.toml");
    await writeFile(file, 'backend = "lmdb:./benched"\nchecksum = "none"\nkeyPrefix = "measured*:"\n');
    const own = ["-b", "lmdb:./benched", "--key-prefix", "measured*:"];
    await millrace(["put", "mine", "x", ...own]);
    const short = ["--workload", "put-100B@1000", "--peers", "millrace", "--quick", "--duration", "1"];
    const { code, errors } = await millrace(["bench", "-c", file, ...short, "--json", "report.json"], {
      variables: { MILLRACE_BACKEND: "lmdb:./in-use", MILLRACE_BATCHING_MAX_SIZE: "none" },
    });
    assert.equal(code, 0, errors);
    const report = JSON.parse(await readFile(join(folder.path, "report.json"), "utf8")) as BenchReport;
    assert.equal(report.environment.backend, "lmdb:./benched");
    assert.deepEqual([report.environment.settings.checksum, report.environment.settings.config], ["none", file]);
    assert.equal((await millrace(["keys", ...own])).text, "mine\n", "the bench's keys are gone, and no others");
    assert.equal(existsSync(join(folder.path, "in-use")), false);
  });

  test("refuses to bench with a file that is not there, or with options that it does not know", async () => {
    const file = join(folder.path, "wrong.toml");
    await writeFile(file, "[batching]\nmaxSizes = 5\n");
    for (const [config, message] of [
      ["absent.toml", "the configuration absent.toml cannot be read: there is no such file"],
      [".", "the configuration . cannot be read: it is a folder"],
      ["wrong.toml", "batching.maxSizes: there is no such option; did you mean batching.maxSize? (from wrong.toml)"],
    ]) {
      const { code, errors } = await millrace(["bench", "--config", config!, "--backend", "memory:"]);
      assert.equal(code, 2, errors);
      assert.equal(errors, `${message}\n(--help shows all options)\n`);
    }
  });
});

if (await redisIsThere("the doctor on Redis")) {
  test("the doctor warns of a server that forgets, and leaves nothing behind", async (t) => {
    folder = await temporaryFolder();
    const server = await startRedis();
    t.after(async () => {
      await server.stop();
      await folder.remove();
    });
    const { code, text } = await millrace(["doctor", "--json", "-b", server.url]);
    assert.equal(code, 0, text);
    const { findings } = JSON.parse(text) as { findings: { check: string; verdict: string; detail: string }[] };
    assert.ok(findings.some(({ check, verdict }) => check === "write, read, delete" && verdict === "ok"));
    assert.ok(findings.some(({ verdict, detail }) => verdict === "warning" && /appendonly is off/.test(detail)));
    assert.equal((await millrace(["keys", "--count", "-b", server.url])).text, "0\n");
  });
}
