import { readFile } from "node:fs/promises";

interface Ticks {
  /** All processors together, idle included. */
  readonly total: number;
  readonly busy: number;
  /** This process, the programs it started, and the server. */
  readonly own: number;
}

/**
 * How much of the machine went to programs that have nothing to do with the run. Figures from a machine that was busy
 * with something else look like those of a slow client; only this tells them apart. Linux only.
 */
export class MachineLoad {
  readonly #pids: readonly number[];
  readonly #start: Ticks;

  private constructor(pids: readonly number[], start: Ticks) {
    this.#pids = pids;
    this.#start = start;
  }

  /**
   * null where it cannot be told: another system, or a server whose process is not known.
   * @param pids processes that this one started; the time of one that has ended counts as this one's
   */
  static async start(serverPid: number | null, pids: readonly number[]): Promise<MachineLoad | null> {
    if (serverPid === null) return null;
    const own = [serverPid, ...pids];
    const ticks = await readTicks(own);
    return ticks === null ? null : new MachineLoad(own, ticks);
  }

  async otherShare(): Promise<number | null> {
    const now = await readTicks(this.#pids);
    if (now === null || now.total === this.#start.total) return null;
    const others = now.busy - this.#start.busy - (now.own - this.#start.own);
    return Math.max(0, others / (now.total - this.#start.total));
  }
}

/** @param pids the server's first, which has to be there */
async function readTicks(pids: readonly number[]): Promise<Ticks | null> {
  const files = ["/proc/stat", "/proc/self/stat", ...pids.map((pid) => `/proc/${pid}/stat`)];
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => null)));
  const [machine, itself, server, ...others] = texts;
  if (typeof machine !== "string" || typeof itself !== "string" || typeof server !== "string") return null;
  const processes = [itself, server, ...others.filter((text) => text !== null)];
  const fields = (machine.split("\n")[0] ?? "").trim().split(/\s+/).slice(1, 9).map(Number);
  const total = fields.reduce((sum, field) => sum + field, 0);
  const idle = (fields[3] ?? 0) + (fields[4] ?? 0);
  const own = processes.reduce((sum, text) => sum + processTicks(text), 0);
  return { total, busy: total - idle, own };
}

/** User and system time of a process and of its children that ended; the name before may hold spaces. */
function processTicks(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
}
