/** A reply that does not fit what was asked: whatever follows on this connection belongs to nobody. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** An error reply of the server: its first word (`OOM`, `WRONGTYPE`, …) and the whole text. */
export class ErrorReply extends Error {
  override readonly name = "ErrorReply";
  readonly token: string;

  constructor(text: string) {
    super(text);
    this.token = /^[A-Z][A-Z0-9]*/.exec(text)?.[0] ?? "ERR";
  }
}
