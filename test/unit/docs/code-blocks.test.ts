import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { createEngine } from "../../../src/index.js";
import { type TemporaryFolder, temporaryFolder, useRedis } from "../../../src/testing/index.js";
import { redisIsThere } from "../../support/stores.js";
import { compiledPath, ROOT, readDocument } from "./document.js";

const DOCUMENTS = [
  "README.md",
  "docs/tables.md",
  "docs/adapters.md",
  "docs/tuning.md",
  "docs/guarantees.md",
  "docs/observability.md",
  "docs/admin-server.md",
  "docs/command-line.md",
  "docs/deployment.md",
  "docs/architecture.md",
];
const REDIS_URL = "redis://127.0.0.1:6379/0";

interface Program {
  readonly title: string;
  readonly file: string;
  readonly text: string;
}

const programs = DOCUMENTS.flatMap((path) =>
  [...readDocument(path).matchAll(/^```ts\n(.*?)^```$/gms)].map(
    ([, text], index): Program => ({
      title: `block ${index + 1} of ${path}`,
      file: `${path.replace(/\W/g, "-")}-${index + 1}`,
      text: text!,
    }),
  ),
);
const EXAMPLE: Program = { title: "examples/basic.ts", file: "basic", text: readDocument("examples/basic.ts") };

const run = promisify(execFile);
let folder: TemporaryFolder;

before(async () => {
  folder = await temporaryFolder("millrace-docs-");
  await installPackage(folder.path);
  await compile(folder.path, [...programs, EXAMPLE]);
});
after(() => folder.remove());

/** The compiled sources under the names by which programs import them, beside the packages that adapters are for. */
async function installPackage(path: string): Promise<void> {
  const modules = join(path, "node_modules");
  const at = join(modules, "millrace");
  await mkdir(at, { recursive: true });
  for (const peer of ["keyv", "unstorage"]) await symlink(join(ROOT, "node_modules", peer), join(modules, peer));
  const { exports: entries } = JSON.parse(readDocument("package.json")) as { exports: Record<string, unknown> };
  const exported: Record<string, string> = {};
  for (const [entry, target] of Object.entries(entries)) {
    if (typeof target !== "object") continue;
    const compiled = compiledPath((target as { default: string }).default.replace("./dist/", ""));
    const name = entry === "." ? "index" : entry.slice(2);
    exported[entry] = `./${name}.js`;
    const rest = entry === "./unstorage" ? "export { default } from" : "export {} from";
    const text = (from: string): string => `export * from ${JSON.stringify(from)};\n${rest} ${JSON.stringify(from)};\n`;
    await writeFile(join(at, `${name}.js`), text(pathToFileURL(compiled).href));
    await writeFile(join(at, `${name}.d.ts`), text(compiled));
  }
  await writeFile(join(at, "package.json"), JSON.stringify({ name: "millrace", type: "module", exports: exported }));
}

/** Fails with the compiler's complaints if a program has a type error. */
async function compile(path: string, all: readonly Program[]): Promise<void> {
  for (const { file, text } of all) await writeFile(join(path, `${file}.ts`), text);
  await writeFile(join(path, "package.json"), JSON.stringify({ type: "module" }));
  const compilerOptions = {
    outDir: "out",
    rootDir: ".",
    declaration: false,
    sourceMap: false,
    inlineSources: false,
    typeRoots: [join(ROOT, "node_modules", "@types")],
  };
  const settings = { extends: join(ROOT, "tsconfig.json"), compilerOptions, include: ["*.ts"] };
  await writeFile(join(path, "tsconfig.json"), JSON.stringify(settings));
  const compiler = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  try {
    await run(process.execPath, [compiler, "-p", path]);
  } catch (error) {
    assert.fail((error as { stdout: string }).stdout);
  }
}

async function linesOf(program: Program, replace: (code: string) => string = (code) => code): Promise<string[]> {
  const script = join(folder.path, "out", `${program.file}.js`);
  await writeFile(script, replace(await readFile(script, "utf8")));
  const directory = join(folder.path, `in-${program.file}`);
  await mkdir(directory);
  const { stdout, stderr } = await run(process.execPath, [script], { cwd: directory, timeout: 60_000 });
  assert.equal(stderr, "");
  return stdout.split("\n").slice(0, -1);
}

const promised = (program: Program): string[] => [...program.text.matchAll(/\/\/ → (.*)$/gm)].map(([, line]) => line!);

test("the documents hold programs", () => {
  assert.ok(programs.length >= 6);
  assert.ok(programs.some(({ text }) => text.includes(REDIS_URL)));
});

for (const program of programs.filter(({ text }) => !text.includes(REDIS_URL))) {
  test(`${program.title} compiles, runs and prints what it says`, async () => {
    assert.deepEqual(await linesOf(program), promised(program));
  });
}

for (const program of programs.filter(({ text }) => text.includes(REDIS_URL))) {
  if (!(await redisIsThere(program.title))) continue;
  test(`${program.title} compiles, runs on Redis and prints what it says`, async (t) => {
    const server = await useRedis();
    t.after(() => server.stop());
    assert.deepEqual(await linesOf(program, (code) => code.replace(REDIS_URL, server.url)), promised(program));
    const engine = await createEngine(server.url);
    t.after(() => engine.close());
    await engine.delete("greeting");
  });
}

test("examples/basic.ts compiles and counts", async () => {
  const counted = ["drives 1", "grain 1", "grinds 1", "mill 2", "river 1", "the 4"];
  assert.deepEqual(
    await linesOf(EXAMPLE),
    counted.map((line) => `1:${line}`),
  );
});
