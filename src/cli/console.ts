import type { Readable, Writable } from "node:stream";
import type { Environment } from "../config/environment.js";

/** What a command has of its surroundings. */
export interface Console {
  readonly input: Readable;
  readonly output: Writable & { readonly isTTY?: boolean };
  readonly errors: Writable & { readonly isTTY?: boolean };
  readonly environment: Environment;
}

/** Outputs whose reader has left; Node.js makes standard output writable again after that error. */
const abandoned = new WeakSet<Writable>();

/** A reader that leaves early, as `head` does, is no failure. */
export function letReaderLeave(output: Writable): void {
  output.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    abandoned.add(output);
  });
}

/** Whether what is printed interests nobody any more. */
export function readerHasLeft({ output }: Console): boolean {
  return output.destroyed || abandoned.has(output);
}

export type ExitCode = 0 | 1 | 2;

/** A line on standard output; resolves when there is room for the next, so that a long list takes no memory. */
export async function print(console: Console, text: string): Promise<void> {
  await write(console, `${text}\n`);
}

export async function write({ output }: Console, content: string | Uint8Array): Promise<void> {
  if (output.destroyed || output.writableEnded) return;
  if (output.write(content)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      output.off("drain", done).off("close", done).off("error", done);
      resolve();
    };
    output.on("drain", done).on("close", done).on("error", done);
  });
}

export function complain(console: Console, text: string): void {
  console.errors.write(`${text}\n`);
}

/** JSON for programs: a bigint as text, an infinity as null. */
export function jsonOf(content: unknown, indent = 0): string {
  return JSON.stringify(
    content,
    (_name, value: unknown) => (typeof value === "bigint" ? value.toString() : value),
    indent,
  );
}
