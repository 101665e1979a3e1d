import type { Driver } from "../backends/contract.js";
import { type BackendAddress, describeAddress, parseBackendUrl } from "../config/backend-url.js";
import { type Field, missingMethod, refuse, shown } from "../config/field.js";
import { group, list } from "../config/group.js";
import { boolean, duration, integer, number, string } from "../config/scalars.js";
import { KIB, MAX_DELAY_MS } from "./option-limits.js";

/** A store by address, or a driver the caller brought. */
export type BackendChoice = BackendAddress | { readonly kind: "driver"; readonly driver: Driver };

const DRIVER_METHODS = [
  "open",
  "execute",
  "scan",
  "clear",
  "health",
  "memoryUsage",
  "serverInfo",
  "connections",
  "close",
];

export const backend: Field<BackendChoice, string | Driver> = {
  fallback: Object.freeze({ kind: "lmdb", path: "./.millrace" }),
  type: "URL | Driver",
  limits: "memory:, lmdb:, redis:, rediss:, postgres:; this release refuses redis+sentinel: and redis+cluster:",
  unit: "",
  doc: "The store: a URL as a string, or an object that implements Driver.",
  read(received, path) {
    if (typeof received === "string") return Object.freeze(parseBackendUrl(received, path));
    const missing = missingMethod(received, DRIVER_METHODS);
    if (missing === undefined) return Object.freeze({ kind: "driver", driver: received as Driver });
    return refuse(path, `must be a URL as a string, or a Driver; got ${shown(received)} without ${missing}()`);
  },
  show: (choice) => (choice.kind === "driver" ? `driver ${choice.driver.name}` : describeAddress(choice)),
};

const replica: Field<BackendAddress, string> = {
  fallback: backend.fallback as BackendAddress,
  type: "URL",
  limits: "redis:, rediss:, postgres:",
  unit: "",
  doc: "A server that reads may go to.",
  read(received, path) {
    if (typeof received !== "string") return refuse(path, `must be a URL; got ${shown(received)}`);
    return Object.freeze(parseBackendUrl(received, path));
  },
  show: describeAddress,
};

export const replicas = list(replica, {
  max: 64,
  doc: "Servers that follow the backend, for reads (Redis and PostgreSQL).",
});

export const replicaLagMs = duration({
  min: 1,
  max: MAX_DELAY_MS,
  default: 1000,
  doc: "How far behind its primary a replica may be to be read.",
});

export const pool = group(
  {
    min: integer({ min: 0, max: 1024, default: 1, unit: "connections", doc: "Connections for data kept open." }),
    max: integer({
      min: 1,
      max: 1024,
      default: 1,
      unit: "connections",
      doc: "Connections for data at most; on PostgreSQL no fewer than three.",
    }),
    idleMs: duration({
      min: 1,
      max: 86_400_000,
      default: 60_000,
      doc: "A connection beyond the minimum is closed after so long without need of it.",
    }),
    busyPollMs: number({
      min: 0,
      max: 1,
      default: 0.05,
      unit: "ms",
      doc: "So long the event loop may stay awake for an answer while little is under way, where answers come sooner by it (Redis only); 0: it sleeps.",
    }),
  },
  {
    doc: "Connections to Redis or PostgreSQL.",
    rules: [
      ({ min, max }) => (min > max ? `min must not be greater than max; got min ${min} and max ${max}` : undefined),
    ],
  },
);

export const tls = group(
  {
    ca: string({
      default: undefined,
      maxBytes: 256 * KIB,
      doc: "Certificates of the authorities to trust, in PEM, or the path of a file that holds them; none: those that Node.js trusts.",
    }),
    cert: string({
      default: undefined,
      maxBytes: 256 * KIB,
      doc: "The client's own certificate, in PEM or a path.",
    }),
    key: string({
      default: undefined,
      maxBytes: 64 * KIB,
      secret: true,
      doc: "Its private key, in PEM or a path.",
    }),
    servername: string({
      default: undefined,
      maxBytes: 255,
      doc: "The name that the server's certificate must have; none: the host of the URL.",
    }),
    rejectUnauthorized: boolean({
      default: true,
      doc: "Whether a certificate that does not hold ends the connection; false trusts whoever answers.",
    }),
  },
  {
    doc: "TLS of rediss:// URLs. Files are read again for each connection.",
    rules: [
      ({ cert, key }) => ((cert === undefined) !== (key === undefined) ? "cert and key belong together" : undefined),
    ],
  },
);
