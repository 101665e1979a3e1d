import { ConnectionError } from "../../core/errors.js";
import { canonicalKeyOfBytes } from "../../core/key.js";
import type { ChangeListener, Logger } from "../contract.js";
import { isPassing } from "./redis-errors.js";
import { HandshakeRefused, type ServerFacts } from "./wire/handshake.js";
import { ErrorReply } from "./wire/protocol-error.js";
import type { PushReply, Reply } from "./wire/reply-parser.js";

const REFUSED = { backend: "redis", reason: "ERR_CONNECTION", retryable: true };

/**
 * Changes by others, as the server tells of them (`CLIENT TRACKING`, Redis 6 and Valkey): of each key that a marked read
 * over a connection asked for it remembers that, and tells of its next change on the same connection, between two replies.
 *
 * On the data connections themselves, each for what is read over it, rather than over another one to which messages are
 * redirected: the order of replies and messages is then that of the server, so what is read over it later is never older
 * than what was dropped, and the connection cannot be there without its messages. OPTIN: the server remembers what is to
 * be kept here and nothing else, which is little of what is read; to remember everything costs it as much as reading
 * does, and when its table is full (`tracking-table-max-keys`) it invalidates keys that nobody has changed. Not BCAST,
 * which remembers nothing and tells of every key with a prefix: that sends every write to every process, this one's own
 * included when there are several connections. NOLOOP: what this connection writes itself is known here when it is
 * called.
 */
export class ChangeFeed {
  readonly #prefix: Buffer;
  readonly #listener: ChangeListener;
  readonly #logger: Logger;
  /** Connections on which the server tells of changes. */
  #links = 0;
  #isRefused = false;

  /** @param prefix of all keys of the engine, as the store has it */
  constructor(prefix: Buffer, listener: ChangeListener, logger: Logger) {
    this.#prefix = prefix;
    this.#listener = listener;
    this.#logger = logger;
  }

  /** Whether changes of what was read are heard of. */
  get follows(): boolean {
    return this.#links > 0;
  }

  /**
   * To be called on every new connection, before anything is read over it.
   * @param isAlone whether no other connection is open: beside one that is not told of changes, none need be
   * @returns whether changes are told on it; its end must be reported with `lost`
   */
  async begin(
    ask: (...args: string[]) => Promise<Reply>,
    { protocol }: ServerFacts,
    isAlone: boolean,
  ): Promise<boolean> {
    if (!isAlone && this.#links === 0) return false;
    const refusal = protocol === 3 ? await this.#askForTracking(ask) : undefined;
    if (refusal === "OK") {
      this.#links++;
      this.#isRefused = false;
      this.#listener.linkUp();
      return true;
    }
    if (isPassing(refusal)) throw new HandshakeRefused("CLIENT TRACKING", refusal);
    const cause = refusal instanceof ErrorReply ? refusal.message : "the server does not speak RESP3";
    if (!this.#isRefused) {
      this.#logger.warn(
        { backend: "redis", cause },
        "the server does not tell of changes: what the cache holds is dropped by its time only (cache.ttlMs)",
      );
    }
    this.#isRefused = true;
    // What is read over this one would be vouched for by the others, which do not hear of it.
    if (this.#links > 0) throw new ConnectionError(`changes are not told on a further connection: ${cause}`, REFUSED);
    this.#listener.linkRefused(cause);
    return false;
  }

  /** The second command is sent before each read that is to be remembered: it has to be allowed as well. */
  async #askForTracking(ask: (...args: string[]) => Promise<Reply>): Promise<Reply> {
    const reply = await ask("CLIENT", "TRACKING", "ON", "OPTIN", "NOLOOP");
    return reply === "OK" ? ask("CLIENT", "CACHING", "YES") : reply;
  }

  /** A connection on which changes were told has ended; nobody knows which of what was kept was read over it. */
  lost(): void {
    this.#links--;
    this.#listener.linkLost();
    if (this.#links > 0) this.#listener.linkUp();
  }

  take({ items }: PushReply): void {
    const [kind, keys] = items;
    if (!(Buffer.isBuffer(kind) && kind.toString("latin1") === "invalidate")) return;
    if (!Array.isArray(keys)) {
      this.#listener.everythingChanged();
      return;
    }
    for (const key of keys) {
      if (Buffer.isBuffer(key) && key.subarray(0, this.#prefix.length).equals(this.#prefix)) {
        this.#listener.changed(canonicalKeyOfBytes(key.subarray(this.#prefix.length)));
      }
    }
  }
}
