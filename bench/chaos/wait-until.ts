import { setTimeout as delay } from "node:timers/promises";

const LIMIT_MS = 20_000;
const STEP_MS = 5;

/** Resolves when the condition holds; rejects, naming it, when that takes too long. */
export async function waitUntil(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + LIMIT_MS;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`waited ${LIMIT_MS} ms in vain until ${what}`);
    await delay(STEP_MS);
  }
}
