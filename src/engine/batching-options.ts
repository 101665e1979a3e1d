import { group } from "../config/group.js";
import { bytes, duration, integer, oneOf } from "../config/scalars.js";
import { KIB, MIB } from "./option-limits.js";

export const batching = group(
  {
    maxSize: integer({ min: 1, max: 65_536, default: 512, unit: "operations", doc: "Operations in one batch." }),
    maxBytes: bytes({
      min: KIB,
      max: 256 * MIB,
      default: MIB,
      doc: "Keys and values in one batch, of gets the values that they brought lately; a larger value travels alone.",
    }),
    maxInFlight: integer({
      min: 1,
      max: 1024,
      default: 8,
      unit: "batches",
      doc: "Batches sent and not yet answered; on LMDB, where those that wait share a commit, there is no such bound.",
    }),
    lingerMs: duration({
      min: 0,
      max: 1000,
      default: 0,
      doc: "How long a part-filled batch waits for more; 0: it leaves in the same turn of the event loop.",
    }),
  },
  { doc: "How single operations are gathered into batches." },
);

export const queue = group(
  {
    maxPending: integer({
      min: 1,
      max: 100_000_000,
      default: 100_000,
      unit: "operations",
      doc: "Operations called and not yet settled.",
    }),
    maxBytes: bytes({
      min: MIB,
      max: 1024 * 1024 * MIB,
      default: 512 * MIB,
      doc: "Keys and values of these operations; a larger one is taken while nothing else is pending.",
    }),
    overflow: oneOf(["wait", "reject"], {
      default: "wait",
      doc: "What a call beyond these bounds does: wait for room, or fail with QueueFullError.",
    }),
  },
  { doc: "The bound of pending work." },
);
