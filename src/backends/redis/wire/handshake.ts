import { isPassing } from "../redis-errors.js";
import { ErrorReply, ProtocolError } from "./protocol-error.js";
import type { Reply } from "./reply-parser.js";

export interface Login {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly database: number;
}

/** What the server has to be told to end a connection. */
export interface ConnectionIdentity {
  /** Undefined where the server does not tell. */
  readonly clientId: number | undefined;
  /** Of this run of the server: ids of connections begin anew with the next. */
  readonly runId: string | undefined;
}

export interface ServerFacts extends ConnectionIdentity {
  readonly server: string;
  readonly version: string;
  readonly protocol: 2 | 3;
  readonly hasMsetex: boolean;
}

type Ask = (...args: string[]) => Promise<Reply>;

/** In RESP3 the kind of text stands before it. Servers that know no sections give others, or all of them. */
export const INFO_HEAD = /^(?:txt:)?# [A-Z]\w*\r\n/;

/** First words of refusals that last until somebody changes the server's or our settings. */
const LASTING = new Set(["WRONGPASS", "NOAUTH", "NOPERM", "DENIED"]);

/** The server answered and will not have us. */
export class HandshakeRefused extends Error {
  override readonly name = "HandshakeRefused";
  readonly token: string;
  /** Whether waiting does not help. */
  readonly isLasting: boolean;

  constructor(step: string, reply: ErrorReply) {
    super(`${step} was refused: ${reply.message}`);
    this.token = reply.token;
    // Servers before 6 refuse passwords, and all refuse databases, without a word of their own.
    this.isLasting =
      LASTING.has(reply.token) || /invalid password|no password|DB index|without any password/i.test(reply.message);
  }
}

/**
 * Logs in, in the protocol that is asked for if the server knows it, and selects the database.
 * @returns what the server says of itself; undefined: it knows RESP2 only
 * @throws HandshakeRefused
 */
export async function logIn(ask: Ask, login: Login, protocol: 2 | 3): Promise<Map<string, string> | undefined> {
  const { username, password, database } = login;
  const isNamed = username !== undefined || password !== undefined;
  // A user without a password is one all the same: logged in as nobody we would be the default user.
  const credentials = isNamed ? ["AUTH", username ?? "default", password ?? ""] : [];
  const hello = await ask("HELLO", String(protocol), ...credentials);
  if (hello instanceof ErrorReply) {
    if (!/unknown command|NOPROTO/i.test(hello.message)) throw new HandshakeRefused("login", hello);
    if (isNamed) {
      const names = username === undefined ? [] : [username];
      accept("login", await ask("AUTH", ...names, password ?? ""));
    }
  }
  if (database !== 0) accept(`SELECT ${database}`, await ask("SELECT", String(database)));
  return Array.isArray(hello) ? pairs(hello) : undefined;
}

/**
 * Logs in, in RESP3 where the server knows it, selects the database and introduces the client.
 *
 * A connection that was given up may have bytes at the server that it has not read, a frozen server above all: read
 * later, they would put older values over newer ones. So such connections, `ended`, are ended by the server itself before
 * anything is sent over this one. Servers that do not allow CLIENT KILL leave that gap open.
 *
 * @throws HandshakeRefused
 */
export async function shakeHands(
  ask: Ask,
  login: Login,
  libraryVersion: string,
  ended: readonly ConnectionIdentity[] = [],
): Promise<ServerFacts> {
  const greeting = await logIn(ask, login, 3);
  const [ping, msetex, info, clientId, ...named] = await Promise.all([
    ask("PING"),
    ask("COMMAND", "INFO", "MSETEX"),
    ask("INFO", "server"),
    ask("CLIENT", "ID"),
    // Servers before 7.2 do not know these, and nothing depends on them.
    ask("CLIENT", "SETINFO", "LIB-NAME", "millrace"),
    ask("CLIENT", "SETINFO", "LIB-VER", libraryVersion),
  ]);
  accept("PING", ping);
  for (const reply of named) mustFit("CLIENT SETINFO", reply === "OK" || reply instanceof ErrorReply);
  const identity = identityOf(info, clientId);
  const { runId } = identity;
  for (const previous of ended) {
    // The id of a connection to another run of the server may be somebody else's by now.
    if (previous.clientId === undefined || runId === undefined || previous.runId !== runId) continue;
    const reply = await ask("CLIENT", "KILL", "ID", String(previous.clientId));
    refuseForNow("CLIENT KILL", reply);
    mustFit("CLIENT KILL", isCountOrRefusal(reply));
  }
  const facts = greeting ?? infoLines(info);
  return {
    server: facts.get("server") ?? (facts.has("valkey_version") ? "valkey" : "redis"),
    version: facts.get("version") ?? facts.get("valkey_version") ?? facts.get("redis_version") ?? "unknown",
    protocol: greeting === undefined ? 2 : 3,
    hasMsetex: Array.isArray(msetex) && Array.isArray(msetex[0]) && msetex[0].length > 0,
    ...identity,
  };
}

/** Of a connection that is logged in; for one whose handshake asks nothing else. */
export async function askIdentity(ask: Ask): Promise<ConnectionIdentity> {
  const [info, clientId] = await Promise.all([ask("INFO", "server"), ask("CLIENT", "ID")]);
  return identityOf(info, clientId);
}

/** Without it no later connection could have this one ended: a server that will tell soon is asked again. */
function identityOf(info: Reply, clientId: Reply): ConnectionIdentity {
  refuseForNow("INFO", info);
  refuseForNow("CLIENT ID", clientId);
  const isText = Buffer.isBuffer(info) || typeof info === "string";
  mustFit("INFO", info instanceof ErrorReply || (isText && INFO_HEAD.test(String(info))));
  mustFit("CLIENT ID", isCountOrRefusal(clientId));
  return {
    clientId: typeof clientId === "number" ? clientId : undefined,
    runId: infoLines(info).get("run_id"),
  };
}

function accept(step: string, reply: Reply): void {
  if (reply instanceof ErrorReply) throw new HandshakeRefused(step, reply);
}

/** A server that will not at all is taken as it is, one that will soon is asked again. */
function refuseForNow(step: string, reply: Reply): void {
  if (isPassing(reply)) throw new HandshakeRefused(step, reply);
}

/** How many there are, or which one; or that the server does not tell, or do it. */
export function isCountOrRefusal(reply: Reply): boolean {
  return typeof reply === "number" || reply instanceof ErrorReply;
}

/** After one reply too many each is taken for the answer to another question, and the last for that to the first batch. */
function mustFit(step: string, fits: boolean): void {
  if (!fits) throw new ProtocolError(`${step}: not its answer`);
}

function pairs(reply: readonly Reply[]): Map<string, string> {
  const found = new Map<string, string>();
  for (let i = 0; i + 1 < reply.length; i += 2) found.set(String(reply[i]), String(reply[i + 1]));
  return found;
}

/** None where it is refused. */
function infoLines(reply: Reply): Map<string, string> {
  const found = new Map<string, string>();
  if (reply instanceof ErrorReply) return found;
  for (const line of String(reply).split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) found.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return found;
}
