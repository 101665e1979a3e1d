import { openPeer } from "../peers/all-peers.js";
import { Subject } from "./subject.js";
import type { OrderMessage, SubjectMessage, SubjectStart } from "./subject-protocol.js";

/** The process of one subject: does what it is asked, one order after the other, until it is told to close. */
const start = JSON.parse(process.argv[2]!) as SubjectStart;

function tell(message: SubjectMessage): void {
  process.send!(message);
}

// The run may have been killed: nobody is left to measure for.
process.on("disconnect", () => process.exit());
// Ctrl-C reaches the run as well, which closes this one in its turn.
process.on("SIGINT", () => {});

try {
  const peer = await openPeer(start.name);
  await peer.connect(start.url);
  const subject = new Subject(peer, start.seed, (text) => tell({ kind: "progress", text }));
  process.on("message", async ({ id, name, order }: OrderMessage) => {
    try {
      const answer = await subject.do(name, order);
      tell({ kind: "answer", id, answer });
      if (name === "close") process.disconnect();
    } catch (error) {
      tell({ kind: "failure", id, text: String((error as Error).stack) });
    }
  });
  tell({ kind: "ready", packageName: peer.packageName, format: peer.format });
} catch (error) {
  tell({ kind: "failure", id: null, text: (error as Error).message });
  process.disconnect();
}
