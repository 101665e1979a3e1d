/** The command could not do what it was asked; its message is all that needs to be said. Exit code 1. */
export class Failure extends Error {
  override readonly name = "Failure";
}

/** The command was called wrongly. Exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
