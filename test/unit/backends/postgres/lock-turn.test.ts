import assert from "node:assert/strict";
import { test } from "node:test";
import { lockTurn } from "../../../../src/backends/postgres/change-feed.js";

test("whoever writes is held up for a small part of the time, however long a listener waits for its turn", () => {
  for (let attempts = 0; attempts < 100; attempts++) {
    const { waitMs, pauseMs } = lockTurn(attempts, 0);
    assert.ok(waitMs >= 20 && waitMs <= 160);
    assert.ok(pauseMs >= waitMs * 25);
    assert.ok(lockTurn(attempts, 0.9).pauseMs > pauseMs * 1.5, "not all at the same time");
  }
});
