import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";

export const SESSION_COOKIE = "millrace_admin";

/**
 * Who may read. With a token: whoever presents it as `Authorization: Bearer`, or carries the cookie that was given for
 * it. Without one: whoever asks for this server by an address or by a name that is its own. A page of a foreign site
 * whose name was pointed at this machine (DNS rebinding) names its own host, so it is refused.
 */
export class Access {
  readonly #tokenDigest: Buffer | undefined;
  readonly #session: string | undefined;
  readonly #ownHost: string;
  readonly #openToAll: boolean;

  constructor(token: string | false | undefined, host: string) {
    this.#ownHost = host.toLowerCase();
    this.#openToAll = token === false;
    if (typeof token !== "string") return;
    this.#tokenDigest = digest(token);
    // Made anew by every server, so that a cookie neither holds the token nor outlives the process.
    this.#session = createHmac("sha256", randomBytes(32)).update(token).digest("base64url");
  }

  get needsToken(): boolean {
    return this.#tokenDigest !== undefined;
  }

  admits(request: IncomingMessage): boolean {
    if (this.#tokenDigest === undefined) return this.#openToAll || this.#namesThisServer(request.headers.host);
    const [, presented] = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
    if (presented !== undefined) return this.isToken(presented);
    const cookie = cookieOf(request);
    return cookie !== undefined && timingSafeEqual(digest(cookie), digest(this.#session!));
  }

  /** Takes the same time for every wrong token, whatever its length and beginning. */
  isToken(presented: string): boolean {
    return this.#tokenDigest !== undefined && timingSafeEqual(digest(presented), this.#tokenDigest);
  }

  /** The header that lets a browser stay signed in until it is closed or this server ends. */
  cookie(): string {
    return `${SESSION_COOKIE}=${this.#session}; Path=/; HttpOnly; SameSite=Strict`;
  }

  #namesThisServer(header: string | undefined): boolean {
    if (header === undefined) return true;
    const host = header
      .replace(/:\d+$/, "")
      .replace(/^\[(.*)\]$/, "$1")
      .toLowerCase();
    return host === "localhost" || host === this.#ownHost || isIP(host) !== 0;
  }
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function cookieOf(request: IncomingMessage): string | undefined {
  for (const part of (request.headers.cookie ?? "").split(";")) {
    const [name, value] = part.trim().split("=", 2);
    if (name === SESSION_COOKIE) return value;
  }
  return undefined;
}
