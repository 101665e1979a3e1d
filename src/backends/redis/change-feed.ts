import { canonicalKeyOfBytes } from "../../core/key.js";
import type { ChangeListener, Logger } from "../contract.js";
import type { ServerFacts } from "./wire/handshake.js";
import { ErrorReply } from "./wire/protocol-error.js";
import type { PushReply, Reply } from "./wire/reply-parser.js";

/** A link on which nothing has come for so long is asked whether it is still there. */
export const HEARTBEAT_MS = 1000;

/**
 * Changes by others, as the server tells of them (`CLIENT TRACKING`, Redis 6 and Valkey): of each key that a marked read
 * over a connection asked for it remembers that, and tells of its next change on the same connection, between two replies.
 *
 * On the data connection itself rather than over a second one to which messages are redirected: the order of replies and
 * messages is then that of the server, so what is read over it later is never older than what was dropped, and the
 * connection cannot be there without its messages. OPTIN: the server remembers what is to be kept here and nothing else,
 * which is little of what is read; to remember everything costs it as much as reading does, and when its table is full
 * (`tracking-table-max-keys`) it invalidates keys that nobody has changed. Not BCAST, which remembers nothing and tells of
 * every key with a prefix: that sends every write to every process, this one's own included when there are several
 * connections. NOLOOP: what this connection writes itself is known here when it is called.
 */
export class ChangeFeed {
  readonly #prefix: Buffer;
  readonly #listener: ChangeListener;
  readonly #logger: Logger;
  /** The link is up. */
  #follows = false;
  #isRefused = false;

  /** @param prefix of all keys of the engine, as the store has it */
  constructor(prefix: Buffer, listener: ChangeListener, logger: Logger) {
    this.#prefix = prefix;
    this.#listener = listener;
    this.#logger = logger;
  }

  get follows(): boolean {
    return this.#follows;
  }

  /** To be called on every new connection, before anything is read over it. */
  async begin(ask: (...args: string[]) => Promise<Reply>, { protocol }: ServerFacts): Promise<void> {
    const refusal = protocol === 3 ? await this.#askForTracking(ask) : undefined;
    if (refusal === "OK") {
      this.#follows = true;
      this.#isRefused = false;
      this.#listener.linkUp();
      return;
    }
    const cause = refusal instanceof ErrorReply ? refusal.message : "the server does not speak RESP3";
    if (!this.#isRefused) {
      this.#logger.warn(
        { backend: "redis", cause },
        "the server does not tell of changes: what the cache holds is dropped by its time only (cache.ttlMs)",
      );
    }
    this.#isRefused = true;
    this.#listener.linkRefused(cause);
  }

  /** The second command is sent before each read that is to be remembered: it has to be allowed as well. */
  async #askForTracking(ask: (...args: string[]) => Promise<Reply>): Promise<Reply> {
    const reply = await ask("CLIENT", "TRACKING", "ON", "OPTIN", "NOLOOP");
    return reply === "OK" ? ask("CLIENT", "CACHING", "YES") : reply;
  }

  lost(): void {
    if (!this.#follows) return;
    this.#follows = false;
    this.#listener.linkLost();
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
