import { createServer, type Server, type Socket } from "node:net";

/** What a server does instead of its own answer: these bytes, or nothing at all. Undefined: its own answer. */
export type Intercept = (command: readonly string[], socket: Socket) => string | Buffer | "silence" | undefined;

export interface RespServerOptions {
  /** 2: HELLO is an unknown command. */
  readonly protocol?: 2 | 3;
  readonly hasMsetex?: boolean;
}

/**
 * A Redis of a few commands, scripted: every reply can be replaced, cut to pieces, kept back or followed by a reset.
 * Commands and values are latin1 text, one character a byte.
 */
export class RespServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #options: RespServerOptions;
  readonly data = new Map<string, string>();
  /** Commands received, in their order, those of the handshakes included. */
  readonly commands: (readonly string[])[] = [];
  connections = 0;
  port = 0;
  intercept: Intercept = () => undefined;
  /** Sends what answers one read of the socket; replaced to cut it to pieces. */
  deliver: (reply: Buffer, socket: Socket) => void = (reply, socket) => {
    socket.write(reply);
  };

  constructor(options: RespServerOptions = {}) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => this.#serve(socket));
  }

  static async start(options?: RespServerOptions): Promise<RespServer> {
    const server = new RespServer(options);
    await new Promise<void>((resolve, reject) => {
      server.#server.once("error", reject);
      server.#server.listen(0, "127.0.0.1", resolve);
    });
    const address = server.#server.address();
    if (address === null || typeof address === "string") throw new Error("the server has no port");
    server.port = address.port;
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** How many connections there are at this moment. */
  get open(): number {
    return this.#sockets.size;
  }

  /** The names of the commands received, without the handshakes'. */
  get names(): string[] {
    const handshake = new Set(["HELLO", "AUTH", "SELECT", "PING", "COMMAND", "INFO", "CLIENT"]);
    return this.commands.map(([name]) => name!).filter((name) => !handshake.has(name));
  }

  dropAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(socket: Socket): void {
    this.connections++;
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    // A client that leaves is none of this server's business.
    socket.on("error", () => socket.destroy());
    let waiting = "";
    let queued: string[] | undefined;
    socket.on("data", (chunk) => {
      waiting += chunk.toString("latin1");
      const replies: Buffer[] = [];
      for (;;) {
        const parsed = parseCommand(waiting);
        if (parsed === undefined) break;
        waiting = waiting.slice(parsed.length);
        this.commands.push(parsed.args);
        const scripted = this.intercept(parsed.args, socket);
        const ended = queued;
        if (parsed.args[0] === "EXEC") queued = undefined;
        if (scripted === "silence") continue;
        let reply = typeof scripted === "string" ? Buffer.from(scripted, "latin1") : scripted;
        if (reply === undefined) {
          const name = parsed.args[0]!;
          if (name === "MULTI") queued = [];
          const answer = name === "EXEC" ? execReply(ended ?? []) : this.#answer(parsed.args);
          reply = Buffer.from(answer, "latin1");
          if (queued !== undefined && name !== "MULTI") {
            queued.push(answer);
            reply = Buffer.from("+QUEUED\r\n");
          }
        }
        replies.push(reply);
      }
      if (replies.length > 0 && !socket.destroyed) this.deliver(Buffer.concat(replies), socket);
    });
  }

  #answer(args: readonly string[]): string {
    const [name, ...rest] = args;
    const { data } = this;
    switch (name) {
      case "HELLO":
        if (this.#options.protocol === 2) return "-ERR unknown command 'HELLO'\r\n";
        return "%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.4.0\r\n$5\r\nproto\r\n:3\r\n";
      case "PING":
        return "+PONG\r\n";
      case "COMMAND":
        return this.#options.hasMsetex === true ? "*1\r\n*2\r\n$6\r\nmsetex\r\n:-1\r\n" : "*1\r\n*-1\r\n";
      case "INFO":
        return bulk("# Server\r\nredis_version:5.0.0\r\n");
      case "CLIENT":
        if (rest[0] === "KILL") return ":0\r\n";
        return rest[0] === "ID" ? "-ERR unknown subcommand 'ID'\r\n" : "+OK\r\n";
      case "AUTH":
      case "SELECT":
      case "MULTI":
        return "+OK\r\n";
      case "MGET":
        return `*${rest.length}\r\n${rest.map((key) => this.#value(key)).join("")}`;
      case "MSET":
        for (let i = 0; i < rest.length; i += 2) data.set(rest[i]!, rest[i + 1]!);
        return "+OK\r\n";
      case "SET":
        if (rest.includes("NX", 2) && data.has(rest[0]!)) return this.#nil();
        data.set(rest[0]!, rest[1]!);
        return "+OK\r\n";
      case "PSETEX":
        data.set(rest[0]!, rest[2]!);
        return "+OK\r\n";
      case "MSETEX":
        for (let i = 0; i < Number(rest[0]); i++) data.set(rest[1 + 2 * i]!, rest[2 + 2 * i]!);
        return ":1\r\n";
      case "UNLINK":
        return data.delete(rest[0]!) ? ":1\r\n" : ":0\r\n";
      case "EXISTS":
        return data.has(rest[0]!) ? ":1\r\n" : ":0\r\n";
      case "PTTL":
        return data.has(rest[0]!) ? ":-1\r\n" : ":-2\r\n";
      case "PEXPIRE":
        return data.has(rest[0]!) ? ":1\r\n" : ":0\r\n";
      case "PERSIST":
        return ":0\r\n";
      case "GETDEL": {
        const value = this.#value(rest[0]!);
        data.delete(rest[0]!);
        return value;
      }
      case "EVAL": {
        // Of the scripts only the one that adds to counters, for counters that are there as plain numbers.
        const count = Number(rest[1]);
        const sums = rest.slice(2, 2 + count).map((key, index) => {
          data.set(key, String(BigInt(data.get(key) ?? 0) + BigInt(rest[2 + count + index]!)));
          return bulk(data.get(key)!);
        });
        return `*${count}\r\n${sums.join("")}`;
      }
      default:
        return `-ERR unknown command '${name}'\r\n`;
    }
  }

  #value(key: string): string {
    const value = this.data.get(key);
    return value === undefined ? this.#nil() : bulk(value);
  }

  #nil(): string {
    return this.#options.protocol === 2 ? "$-1\r\n" : "_\r\n";
  }
}

export function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

function execReply(answers: readonly string[]): string {
  return `*${answers.length}\r\n${answers.join("")}`;
}

function parseCommand(text: string): { args: string[]; length: number } | undefined {
  const header = /^\*(\d+)\r\n/.exec(text);
  if (header === null) return undefined;
  const args: string[] = [];
  let at = header[0].length;
  for (let i = 0; i < Number(header[1]); i++) {
    const lineEnd = text.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const from = lineEnd + 2;
    const until = from + Number(text.slice(at + 1, lineEnd));
    if (text.length < until + 2) return undefined;
    args.push(text.slice(from, until));
    at = until + 2;
  }
  return { args, length: at };
}
