import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { describeEngineOptions } from "../../../src/engine/options.js";
import { temporaryFolder } from "../../support/lmdb-scope.js";

const declarations = fileURLToPath(new URL("../../../src/engine/options.d.ts", import.meta.url));
const compiler = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");

test("declarations say of every option what it means, so that editors show it", () => {
  const text = readFileSync(declarations, "utf8");
  const said = text.slice(text.indexOf("export interface EngineOptions"));
  for (const { path, doc } of describeEngineOptions()) {
    const name = path.slice(path.lastIndexOf(".") + 1);
    const property = new RegExp(`/\\*\\*(?:(?!\\*/)[^])*\\*/\\s*readonly ${name}\\?:`, "g");
    const comments = [...said.matchAll(property)].map(([comment]) => comment);
    assert.ok(
      comments.some((comment) => comment.includes(doc)),
      `${path} has no comment that says: ${doc}`,
    );
  }
});

test("options written out for editors take what the table takes and nothing else", async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, "uses.ts");
  const from = (name: string): string => JSON.stringify(declarations.replace(/engine\/options\.d\.ts$/, name));
  writeFileSync(
    file,
    `import { createEngine, type EngineOptions } from ${from("index.js")};
     export const good: EngineOptions = {
       backend: "memory:", batching: { maxSize: 5 }, cache: false, circuitBreaker: { failures: 3 }, defaultTtlMs: null,
       slo: [{ operation: "get", percentile: 99, latencyMs: 5 }], metrics: { labels: { app: "a" } }, slowLog: undefined,
     };
     // @ts-expect-error: mistyped
     void createEngine({ batching: { maxSizes: 5 } });
     // @ts-expect-error: of another type
     void createEngine({ cache: { ttlMs: "5" } });
     // @ts-expect-error: cannot be turned off
     void createEngine({ queue: false });
     // @ts-expect-error: not among its values
     void createEngine({ compression: { codec: "gzip" } });
     // @ts-expect-error: no such operation
     void createEngine({ slo: [{ operation: "gets", percentile: 99, latencyMs: 5 }] });
    `,
  );
  compile(folder, file, ["--noEmit", "--skipLibCheck", "false"]);
});

test("a package that passes groups of options on can be published with its declarations", async (t) => {
  const folder = await temporaryFolder(t);
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(fileURLToPath(new URL("../../../..", import.meta.url)), join(folder, "node_modules", "millrace"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "service", type: "module" }));
  const file = join(folder, "passes-on.ts");
  const groups = describeEngineOptions().filter(({ path, type }) => /\bgroup\b/.test(type) && !path.includes("."));
  assert.ok(groups.length >= 14);
  writeFileSync(
    file,
    `import { type EngineOptions } from "millrace";
     ${groups.map(({ path }) => `export const ${path} = (options: EngineOptions) => options.${path};`).join("\n")}
    `,
  );
  compile(folder, file, ["--declaration", "--skipLibCheck"]);
  const declared = readFileSync(join(folder, "passes-on.d.ts"), "utf8");
  assert.match(declared, /import\("millrace"\)\.BatchingOptions/);
});

function compile(folder: string, file: string, options: readonly string[]): void {
  const common = ["--strict", "--exactOptionalPropertyTypes", "--module", "nodenext", "--target", "es2024"];
  const types = ["--typeRoots", join(dirname(compiler), "..", "..", "@types"), "--types", "node"];
  const { status, stdout } = spawnSync(process.execPath, [compiler, ...common, ...options, ...types, file], {
    encoding: "utf8",
    cwd: folder,
  });
  assert.equal(status, 0, stdout);
}
