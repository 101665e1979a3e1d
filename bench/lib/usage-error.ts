/** The command was called wrongly; its message is all the user needs. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
