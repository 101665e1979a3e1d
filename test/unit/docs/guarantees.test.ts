import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as millrace from "../../../src/index.js";
import { StateError } from "../../../src/index.js";
import { ROOT, readDocument, section, tableRows } from "./document.js";

const DOCUMENTS = [
  "README.md",
  "docs/adapters.md",
  "docs/architecture.md",
  "docs/benchmarks.md",
  "docs/drivers.md",
  "docs/guarantees.md",
  "docs/lmdb.md",
  "docs/observability.md",
  "docs/tables.md",
  "docs/tuning.md",
  "docs/value-format.md",
];
const REASONS = section(readDocument("docs/guarantees.md"), "reasons");
const NOT_THROWN = "not thrown in this release";

function sources(): string {
  const files = readdirSync(join(ROOT, "src"), { recursive: true, withFileTypes: true });
  return files
    .filter((file) => file.isFile() && file.name.endsWith(".ts"))
    .map((file) => readFileSync(join(file.parentPath, file.name), "utf8"))
    .join("\n");
}

/** Reasons as they stand in the sources; those of damaged values are put together there from two parts. */
function reasonsInSources(text: string): Set<string> {
  const whole = [...text.matchAll(/"(ERR_[A-Z_]*[A-Z])"/g)].map(([, reason]) => reason!);
  const parts = [...text.matchAll(/corrupt\("[^"]*", "([a-z]+)"\)/g)].map(
    ([, part]) => `ERR_CORRUPT_VALUE_${part!.toUpperCase()}`,
  );
  return new Set([...whole, ...parts]);
}

const sorted = (names: Iterable<string>): string[] => [...new Set(names)].sort();

test("docs/guarantees.md names every reason that errors can have, and no other", () => {
  const documented = [...REASONS.matchAll(/ERR_[A-Z_]*[A-Z]/g)].map(([reason]) => reason);
  assert.deepEqual(sorted(documented), sorted(reasonsInSources(sources())));
});

test("docs/guarantees.md names every error class with its code", () => {
  const classes = Object.entries(millrace).filter(
    ([, value]) => typeof value === "function" && value.prototype instanceof StateError,
  ) as [string, new (message: string) => StateError][];
  const expected = classes.map(([name, Class]) => `${name} ${new Class("").code}`);
  assert.ok(expected.length > 10);
  assert.deepEqual(sorted(tableRows(REASONS).map(([name, code]) => `${name} ${code}`)), sorted(expected));
});

test("docs/guarantees.md tells the classes that nothing throws from those that are thrown", () => {
  const text = sources();
  for (const [name, , reasons] of tableRows(REASONS)) {
    assert.equal(!text.includes(`new ${name}(`), reasons === NOT_THROWN, name);
  }
});

for (const path of DOCUMENTS) {
  test(`files named in ${path} exist`, () => {
    const named = readDocument(path).matchAll(/`((?:src|test|docs|bench|scripts|examples)\/[\w./-]+)`/g);
    const missing = [...named].map(([, file]) => file!).filter((file) => !existsSync(join(ROOT, file)));
    assert.deepEqual(missing, []);
  });

  test(`links in ${path} lead somewhere`, () => {
    const folder = path.includes("/") ? "docs" : "";
    for (const [, target] of readDocument(path).matchAll(/\]\(([^)#\s]*#?[^)\s]*)\)/g)) {
      if (/^https?:/.test(target!)) continue;
      const [file, anchor] = target!.split("#");
      const at = file === "" ? path : join(folder, file!);
      assert.ok(existsSync(join(ROOT, at)), `${path} links to ${target}`);
      if (anchor !== undefined) assert.ok(anchors(readDocument(at)).includes(anchor), `${path} links to ${target}`);
    }
  });
}

/** Of the headings, as GitHub makes them. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}
