import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

export interface Certificates {
  /** PEM of the authority that clients have to trust. */
  readonly ca: string;
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

const DAYS = "2";

/**
 * An authority of one's own and a server certificate by it, for `localhost` and 127.0.0.1 or for the names given,
 * written into a folder. Needs the program `openssl`.
 */
export async function makeCertificates(
  folder: string,
  names: readonly string[] = ["DNS:localhost", "IP:127.0.0.1"],
): Promise<Certificates> {
  const run = (...args: string[]) => promisify(execFile)("openssl", args, { cwd: folder });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await run("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-days", DAYS, "-subj", "/CN=millrace test");
  await run("req", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=millrace test server");
  await writeFile(join(folder, "server.ext"), `subjectAltName=${names.join(",")}\n`);
  const signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "server.ext", "-days", DAYS];
  await run("x509", "-req", "-in", "server.csr", "-out", "server.pem", ...signing);
  const caFile = join(folder, "ca.pem");
  return {
    ca: await readFile(caFile, "utf8"),
    caFile,
    certFile: join(folder, "server.pem"),
    keyFile: join(folder, "server.key"),
  };
}
