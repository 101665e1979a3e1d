import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { describe, test } from "node:test";
import { openLink } from "../../../bench/codec/link.js";
import { MainThreadMeter } from "../../../bench/codec/main-thread-meter.js";
import { seededRandom } from "../../../bench/lib/rng.js";
import { jsonRecord } from "../../../bench/load/records.js";

function spin(durationMs: number): void {
  const endMs = performance.now() + durationMs;
  while (performance.now() < endMs);
}

describe("the meter of the main thread", () => {
  test("counts what this thread does", () => {
    const meter = new MainThreadMeter();
    spin(50);
    const { busyUs } = meter.stop();
    assert.ok(busyUs > 1000, String(busyUs));
  });

  test("takes a loop that did not turn for a late one", () => {
    const meter = new MainThreadMeter();
    spin(60);
    assert.ok(meter.stop().loopDelayP99Ms > 10);
  });
});

describe("the slow link", () => {
  test("passes everything on both ways, in order, and no faster than it may", async (t) => {
    const server = createServer((socket) => socket.pipe(socket));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const bytesPerSecond = 8_000_000;
    const { port } = server.address() as AddressInfo;
    const link = await openLink({ targetHost: "127.0.0.1", targetPort: port, bytesPerSecond });
    t.after(async () => {
      await link.close();
      server.close();
    });
    const sent = Buffer.from(jsonRecord(seededRandom(1), 1_048_576));
    const startedMs = performance.now();
    const client = connect(link.port, "127.0.0.1");
    client.write(sent);
    const pieces: Buffer[] = [];
    let received = 0;
    for await (const piece of client as AsyncIterable<Buffer>) {
      pieces.push(piece);
      received += piece.length;
      if (received >= sent.length) break;
    }
    assert.ok(Buffer.concat(pieces).equals(sent));
    assert.ok(performance.now() - startedMs > (sent.length / bytesPerSecond) * 1000);
  });
});

describe("records", () => {
  test("have the size asked for, over the whole range of the grid", () => {
    for (const bytes of [256, 1024, 4096, 65_536, 1_048_576]) {
      const record = jsonRecord(seededRandom(bytes), bytes);
      assert.equal(Buffer.byteLength(record), bytes);
      assert.equal(typeof JSON.parse(record), "object");
    }
  });
});
