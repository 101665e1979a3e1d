/** Processor time of this whole process, all its threads, user and kernel, since it was made. */
export class CpuMeter {
  readonly #start = process.cpuUsage();

  elapsedUs(): number {
    const { user, system } = process.cpuUsage(this.#start);
    return user + system;
  }
}
