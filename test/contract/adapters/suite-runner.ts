import assert from "node:assert/strict";
import { afterEach, beforeEach, it } from "node:test";

/*
 * As much of vitest's interface as Keyv's suites use, over node:test. Matchers they do not use are missing, so a new
 * one of theirs fails loudly.
 */
interface Matchers {
  toBe(expected: unknown): void;
  toEqual(expected: unknown): void;
  toBeTruthy(): void;
  toBeFalsy(): void;
  toBeNull(): void;
  toBeUndefined(): void;
  toBeDefined(): void;
}

interface Expect {
  (actual: unknown): Matchers;
  assertions(count: number): void;
}

export interface SuiteTest {
  it(name: string, run: (t: { readonly expect: Expect }) => unknown): void;
  beforeEach(run: () => unknown): void;
  afterEach(run: () => unknown): void;
}

function matchers(actual: unknown, count: () => void): Matchers {
  const check = (run: () => void) => (): void => {
    count();
    run();
  };
  return {
    toBe: (expected) => check(() => assert.ok(Object.is(actual, expected), `${actual} is not ${expected}`))(),
    toEqual: (expected) => check(() => assert.deepEqual(actual, expected))(),
    toBeTruthy: check(() => assert.ok(actual, `${actual} is not truthy`)),
    toBeFalsy: check(() => assert.ok(!actual, `${actual} is not falsy`)),
    toBeNull: check(() => assert.equal(actual, null)),
    toBeUndefined: check(() => assert.equal(actual, undefined)),
    toBeDefined: check(() => assert.notEqual(actual, undefined)),
  };
}

export function suiteTest(): SuiteTest {
  return {
    it(name, run) {
      it(name, async () => {
        let made = 0;
        let expected: number | undefined;
        const expect: Expect = Object.assign(
          (actual: unknown) =>
            matchers(actual, () => {
              made++;
            }),
          {
            assertions(count: number): void {
              expected = count;
            },
          },
        );
        await run({ expect });
        if (expected !== undefined) assert.equal(made, expected, "number of assertions");
        else assert.ok(made > 0, "the test asserted nothing");
      });
    },
    beforeEach: (run) => beforeEach(async () => void (await run())),
    afterEach: (run) => afterEach(async () => void (await run())),
  };
}
