import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The checkout. Every script works from here, wherever it was called. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Runs a program with our terminal; resolves to its exit code (128 + n for signal n, 127 when there is no such program). */
export function run(command, args, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: "inherit", env: { ...process.env, ...env } });
    // Ctrl-C reaches the child as well: it ends itself and we still clean up behind it. A signal sent to us alone is passed on.
    const stay = () => {};
    const passOn = () => child.kill("SIGTERM");
    process.on("SIGINT", stay);
    process.on("SIGTERM", passOn);
    const done = (code) => {
      process.off("SIGINT", stay);
      process.off("SIGTERM", passOn);
      resolve(code);
    };
    child.once("error", () => done(127));
    child.once("exit", (code, signal) => done(code ?? (signal === "SIGINT" ? 130 : 143)));
  });
}

/** Whether a program is there and ends with 0; its output is dropped. */
export function succeeds(command, args) {
  return spawnSync(command, args, { cwd: root, stdio: "ignore" }).status === 0;
}

/** Runs npm, by the copy that started us if there is one (on Windows `npm` itself is no program). */
export function npm(args) {
  const { npm_execpath: script } = process.env;
  return script === undefined ? run("npm", args) : run(process.execPath, [script, ...args]);
}

export function say(message) {
  process.stderr.write(`millrace: ${message}\n`);
}

/** Ends the script with a message. */
export function fail(message) {
  say(message);
  process.exit(1);
}
