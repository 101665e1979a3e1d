import assert from "node:assert/strict";
import { test } from "node:test";
import { describe } from "../../../src/config/describe.js";
import type { Settings, SettingsInput } from "../../../src/config/field.js";
import { group, list, record, switchable } from "../../../src/config/group.js";
import { boolean, bytes, duration, integer, number, oneOf, string } from "../../../src/config/scalars.js";
import { suggest } from "../../../src/config/suggest.js";
import { ConfigError } from "../../../src/core/errors.js";

const table = group(
  {
    size: integer({ min: 1, max: 10, default: 5, doc: "How many." }),
    share: number({ min: 0, max: 1, default: 0.5, doc: "How much." }),
    waitMs: duration({ min: 1, max: 1000, default: null, doc: "How long." }),
    limitBytes: bytes({ min: 0, max: 1_048_576, default: 65_536, doc: "How big." }),
    threads: integer({ min: 0, max: 4, default: "auto", doc: "How wide." }),
    level: integer({ min: 1, max: 9, default: undefined, doc: "How hard." }),
    eager: boolean({ default: false, doc: "Whether at once." }),
    mode: oneOf(["fast", "safe"], { default: "fast", doc: "Which way." }),
    name: string({ default: "n", maxBytes: 8, pattern: { regex: /^[a-z]*$/, meaning: "small letters" }, doc: "Name." }),
    token: string({ default: null, maxBytes: 8, secret: true, doc: "Secret." }),
    range: group(
      {
        min: integer({ min: 0, max: 9, default: 1, doc: "Least." }),
        max: integer({ min: 0, max: 9, default: 2, doc: "Most." }),
      },
      { doc: "Range.", rules: [({ min, max }) => (min > max ? `min ${min} is above max ${max}` : undefined)] },
    ),
    extra: switchable(group({ depth: integer({ min: 1, max: 3, default: 1, doc: "Depth." }) }, { doc: "Extra." }), {
      default: "off",
    }),
    goals: list(group({ percent: number({ min: 1, max: 100, default: 99, doc: "P." }) }, { doc: "Goal." }), {
      max: 2,
      doc: "Goals.",
    }),
    labels: record(string({ default: "", maxBytes: 8, doc: "Label." }), {
      name: { regex: /^[a-z_]+$/, meaning: "small letters" },
      doc: "Labels.",
    }),
  },
  { doc: "All." },
);

type Input = SettingsInput<typeof table.fields>;

function complaintAbout(input: unknown): string {
  try {
    table.read(input, "");
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    assert.equal(error.code, "CONFIG");
    assert.equal(error.reason, "ERR_CONFIG");
    return error.message;
  }
  assert.fail("the input was taken");
}

test("gives every absent option its default", () => {
  const defaults = {
    size: 5,
    share: 0.5,
    waitMs: null,
    limitBytes: 65_536,
    threads: "auto",
    level: undefined,
    eager: false,
    mode: "fast",
    name: "n",
    token: null,
    range: { min: 1, max: 2 },
    extra: false,
    goals: [],
    labels: {},
  };
  assert.deepEqual(table.read({}, ""), defaults);
  assert.deepEqual(table.fallback, defaults);
});

test("treats an option given as undefined as absent", () => {
  assert.equal(table.read({ size: undefined, extra: undefined }, "").size, 5);
});

test("keeps what is given and fills in the rest of a group", () => {
  const input: Input = {
    size: 10,
    waitMs: 7,
    threads: 0,
    level: 9,
    eager: true,
    range: { max: 9 },
    extra: {},
    goals: [{}, { percent: 50.5 }],
    labels: { zone: "a" },
  };
  const settings: Settings<typeof table.fields> = table.read(input, "");
  assert.deepEqual(settings.range, { min: 1, max: 9 });
  assert.deepEqual(settings.extra, { depth: 1 });
  assert.deepEqual(settings.goals, [{ percent: 99 }, { percent: 50.5 }]);
  assert.deepEqual(settings.labels, { zone: "a" });
  assert.deepEqual([settings.size, settings.waitMs, settings.threads, settings.level], [10, 7, 0, 9]);
  assert.equal(settings.eager, true);
});

test("takes the words and null that stand for a default", () => {
  const settings = table.read({ threads: "auto", waitMs: null, token: null }, "");
  assert.deepEqual([settings.threads, settings.waitMs, settings.token], ["auto", null, null]);
});

test("freezes the result to its leaves and leaves the input alone", () => {
  const input = { range: { min: 0 }, goals: [{ percent: 1 }], labels: { zone: "a" }, extra: {} };
  const settings = table.read(input, "");
  for (const part of [settings, settings.range, settings.goals, settings.goals[0], settings.labels, settings.extra]) {
    assert.ok(Object.isFrozen(part));
  }
  assert.ok(Object.isFrozen(table.fallback) && Object.isFrozen(table.fallback.range));
  assert.ok(!Object.isFrozen(input) && !Object.isFrozen(input.range) && !Object.isFrozen(input.goals));
});

const refused: readonly (readonly [string, unknown, RegExp])[] = [
  ["a number below the bound", { size: 0 }, /^size: must be a whole number in 1\.\.10; got 0$/],
  ["a number above the bound", { size: 11 }, /^size: .* got 11$/],
  ["a fraction where a whole number is due", { size: 1.5 }, /got 1\.5$/],
  ["NaN", { size: Number.NaN }, /got NaN$/],
  ["Infinity", { share: Number.POSITIVE_INFINITY }, /^share: must be a number in 0\.\.1; got Infinity$/],
  ["a number as text", { size: "5" }, /got "5"$/],
  ["a bigint", { size: 5n }, /got 5n$/],
  ["null where it means nothing", { size: null }, /got null$/],
  ["a wrong word", { threads: "many" }, /^threads: must be 'auto' or a whole number in 0\.\.4; got "many"$/],
  ["a time out of bounds", { waitMs: 0 }, /^waitMs: must be null or a whole number of ms in 1\.\.1000; got 0$/],
  ["negative bytes", { limitBytes: -1 }, /^limitBytes: must be a whole number of bytes in 0\.\.1048576; got -1$/],
  ["an unknown choice", { mode: "slow" }, /^mode: must be one of 'fast' \| 'safe'; got "slow"$/],
  ["a number for a boolean", { eager: 1 }, /^eager: must be one of true \| false; got 1$/],
  ["text against its pattern", { name: "A" }, /^name: must be a string \(small letters, at most 8 bytes\); got "A"$/],
  ["text that is too long in bytes", { name: "ééééé" }, /got 10 bytes$/],
  ["text that UTF-8 would change", { name: "\ud800" }, /lone surrogate/],
  ["a group that is no object", { range: 5 }, /^range: must be a plain object of options; got 5$/],
  ["a group that is null", { range: null }, /got null$/],
  ["a group that is an array", { range: [] }, /got an array$/],
  ["a group that is an instance", { range: new Map() }, /got an object$/],
  ["true for a group that can be switched", { extra: true }, /^extra: must be a plain object of options or false; got/],
  ["a broken rule between fields", { range: { min: 5 } }, /^range: min 5 is above max 2$/],
  ["a bad item of a list", { goals: [{}, { percent: 0 }] }, /^goals\[1\]\.percent: .* got 0$/],
  ["a hole in a list", { goals: new Array(1) }, /^goals\[0\]: .* got undefined$/],
  ["a list that is too long", { goals: [{}, {}, {}] }, /^goals: must have at most 2 items; got 3$/],
  ["a list that is none", { goals: {} }, /^goals: must be an array; got an object$/],
  ["a bad name in a record", { labels: { "A-b": "x" } }, /^labels: names must be small letters; got "A-b"$/],
  ["a bad value in a record", { labels: { zone: 5 } }, /^labels\.zone: .* got 5$/],
  ["no object at all", 5, /^must be a plain object of options; got 5$/],
  ["a nested name at the top", { percnt: 1 }, /^percnt: there is no such option; did you mean goals\.percent\?$/],
  ["a mistyped name", { range: { mn: 1 } }, /^range\.mn: there is no such option; did you mean range\.min\?$/],
  ["a name like no other", { range: { zzzz: 1 } }, /^range\.zzzz: there is no such option; known here: min, max$/],
  ["a poisoned prototype", JSON.parse('{"__proto__":{"size":3}}'), /^__proto__: there is no such option/],
];

for (const [what, input, message] of refused) {
  test(`refuses ${what} and says where, what and what is allowed`, () => {
    assert.match(complaintAbout(input), message);
  });
}

test("never shows a secret, neither in a message nor in a dump", () => {
  assert.match(complaintAbout({ token: "hunter22-too-long" }), /^token: .*got \*\*\*$/);
  assert.match(complaintAbout({ token: 12_345 }), /got \*\*\*$/);
  const dump = table.show(table.read({ token: "hunter2" }, ""));
  assert.doesNotMatch(JSON.stringify(dump), /hunter2/);
  assert.match(JSON.stringify(dump), /"token":"\*\*\*"/);
});

test("does not spell out long texts", () => {
  assert.ok(complaintAbout({ mode: "x".repeat(10_000) }).length < 150);
  assert.ok(complaintAbout({ ["x".repeat(10_000)]: 1 }).length < 400);
});

test("describes every option with type, default, bounds and sentence", () => {
  const rows = new Map(describe(table.fields).map((row) => [row.path, row]));
  assert.deepEqual(rows.get("limitBytes"), {
    path: "limitBytes",
    type: "integer",
    default: "64 KiB",
    limits: "0..1048576 bytes",
    doc: "How big.",
  });
  assert.equal(rows.get("threads")?.type, "integer | 'auto'");
  assert.equal(rows.get("threads")?.default, "'auto'");
  assert.equal(rows.get("waitMs")?.default, "null");
  assert.equal(rows.get("level")?.default, "none");
  assert.equal(rows.get("extra")?.default, "false");
  assert.equal(rows.get("extra.depth")?.default, "1");
  assert.equal(rows.get("goals[].percent")?.limits, "1..100");
  assert.equal(rows.get("range.min")?.doc, "Least.");
});

test("suggests the nearest name and none when nothing is near", () => {
  const names = ["keyPrefix", "retry", "timeouts", "slo", "retry.retries"];
  assert.equal(suggest("keyPrefx", names), "keyPrefix");
  assert.equal(suggest("maxRetrys", names), "retry");
  assert.equal(suggest("timeout", names), "timeouts");
  assert.equal(suggest("RETRIES", names), "retry.retries");
  assert.equal(suggest("banana", names), undefined);
  assert.equal(suggest("", names), undefined);
});
