import { writeFileSync } from "node:fs";
import { access, constants, mkdir, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { atExit } from "../../src/testing/exit-cleanup.js";
import { htmlPage } from "./html-page.js";
import { junitXml } from "./junit.js";
import type { BenchReport, Comparison, Environment } from "./report.js";
import { UsageError } from "./usage-error.js";

export interface ReportPaths {
  readonly json: string | null;
  readonly html: string | null;
  readonly junit: string | null;
}

/**
 * Where a run's report goes. What a run of half an hour has measured is not lost with it: if it is interrupted or fails,
 * the rows that were done are in the JSON file, marked as `interrupted`.
 */
export class ReportFiles {
  readonly #paths: ReportPaths;
  readonly #rows: Comparison[] = [];
  #environment: Environment | null = null;
  readonly #forget: () => void;

  private constructor(paths: ReportPaths) {
    this.#paths = paths;
    this.#forget = atExit(() => this.#writeUnfinished());
  }

  /** @throws UsageError, before anything is measured, for a path where nothing can be written */
  static async open(paths: ReportPaths): Promise<ReportFiles> {
    for (const path of [paths.json, paths.html, paths.junit]) if (path !== null) await requireWritable(path);
    return new ReportFiles(paths);
  }

  begin(environment: Environment): void {
    this.#environment = environment;
  }

  measured(rows: readonly Comparison[]): void {
    this.#rows.push(...rows);
  }

  async finish(report: BenchReport, ownSubject: string): Promise<void> {
    this.#forget();
    const { json, html, junit } = this.#paths;
    if (json !== null) await writeFile(json, textOf(report));
    if (html !== null) await writeFile(html, htmlPage(report));
    if (junit !== null) await writeFile(junit, junitXml(report, ownSubject));
  }

  giveUp(): void {
    this.#forget();
    this.#writeUnfinished();
  }

  #writeUnfinished(): void {
    if (this.#paths.json === null || this.#environment === null || this.#rows.length === 0) return;
    const settings = { ...this.#environment.settings, interrupted: true };
    const environment = { ...this.#environment, settings };
    writeFileSync(
      this.#paths.json,
      textOf({ schema: 1, environment, targets: [], comparisons: this.#rows, verdicts: [] }),
    );
  }
}

function textOf(report: BenchReport): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}

async function requireWritable(path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    const found = await stat(path).catch(() => null);
    if (found?.isDirectory() === true) throw new Error("it is a folder");
    await access(found === null ? dirname(path) : path, constants.W_OK);
  } catch (error) {
    throw new UsageError(`cannot write ${path}: ${(error as Error).message}`);
  }
}
