/** A reply that does not fit what was asked: whatever follows on this connection belongs to nobody. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** Before the arguments of a command that the server does not know: values, or a password. */
const ARGUMENTS = /, with args beginning with:.*$/s;

/** An error reply of the server: its first word (`OOM`, `WRONGTYPE`, …) and the text, without what we had sent. */
export class ErrorReply extends Error {
  override readonly name = "ErrorReply";
  readonly token: string;

  constructor(text: string) {
    super(text.replace(ARGUMENTS, ""));
    this.token = /^[A-Z][A-Z0-9]*/.exec(text)?.[0] ?? "ERR";
  }
}
