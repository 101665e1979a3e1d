import { type Field, type Fields, MASK, refuse, type Settings, type SettingsInput, shown } from "../config/field.js";
import { group } from "../config/group.js";
import { duration, integer, string } from "../config/scalars.js";

const MIN_TOKEN_CHARACTERS = 16;
const MAX_TOKEN_CHARACTERS = 256;

const token: Field<string | false | undefined, string | false> = {
  fallback: undefined,
  type: "string | false",
  limits: `${MIN_TOKEN_CHARACTERS}..${MAX_TOKEN_CHARACTERS} visible ASCII characters`,
  unit: "",
  doc: "What a client must present; false: anyone who reaches the server may read it, also beyond this machine.",
  read(received, path) {
    if (received === false) return false;
    if (typeof received !== "string") return refuse(path, `must be a string or false; got ${shown(received)}`);
    const fits = received.length >= MIN_TOKEN_CHARACTERS && received.length <= MAX_TOKEN_CHARACTERS;
    // The text itself is a secret and stays out of the message.
    if (!fits || !/^[!-~]*$/.test(received)) {
      return refuse(path, `must have ${token.limits}; got ${received.length} characters (not shown)`);
    }
    return received;
  },
  show: (value) => (typeof value === "string" ? MASK : value),
};

const adminOptionTable = group(
  {
    host: string({
      default: "127.0.0.1",
      maxBytes: 255,
      pattern: { regex: /^[0-9A-Za-z.:_-]+$/, meaning: "a name or an address without port" },
      doc: "Address to listen on; anything but this machine's own needs a token.",
    }),
    port: integer({ min: 0, max: 65_535, default: 0, doc: "Port to listen on; 0: one that is free." }),
    token,
    title: string({ default: "millrace", maxBytes: 80, doc: "Name of the service, as the page shows it." }),
    sampleMs: duration({ min: 100, max: 60_000, default: 1000, doc: "How often the live page is given new figures." }),
  },
  {
    doc: "Options of the admin server.",
    rules: [
      ({ host, token: given }) =>
        given === undefined && !isLoopback(host)
          ? `host ${shown(host)} can be reached from other machines: give a token, or token: false to let anyone read`
          : undefined,
    ],
  },
);

/** The rows, for those who read options from elsewhere than code. */
export const adminOptionFields: Fields = adminOptionTable.fields;

export interface AdminServerOptions extends SettingsInput<(typeof adminOptionTable)["fields"]> {}
export interface ResolvedAdminOptions extends Settings<(typeof adminOptionTable)["fields"]> {}

/** @throws ConfigError (reason `ERR_CONFIG`) that names the option, what was received and what is allowed */
export function parseAdminOptions(input: AdminServerOptions): ResolvedAdminOptions {
  return adminOptionTable.read(input, "");
}

/** Whether an address to listen on is reachable from this machine only. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
