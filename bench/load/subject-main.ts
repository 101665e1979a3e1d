import { serveOrders } from "../lib/serve-orders.js";
import { openPeer } from "../peers/all-peers.js";
import { Subject } from "./subject.js";
import type { SubjectFacts, SubjectOrders, SubjectStart } from "./subject-protocol.js";

await serveOrders<SubjectOrders, SubjectFacts, SubjectStart>(async ({ name, url, seed, engine }, progress) => {
  const peer = await openPeer(name, engine);
  await peer.connect(url);
  const { packageName, format } = peer;
  return { ready: { packageName, format }, orders: new Subject(peer, seed, progress).orders };
});
