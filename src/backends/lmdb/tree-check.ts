import { readSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";

/*
 * LMDB ends the process by an assertion, or reads outside its map, where a page of its trees is not what the page above
 * says. So the trees are walked before it is let at them: from the roots in the newest meta page, breadth first.
 *
 * Layout (as in the LMDB of lmdb-js 3, 64-bit little-endian):
 *   page  0 u64 its number   16 u16 -   18 u16 flags   20 u16 lower   22 u16 upper (or 20 u32 pages, of an overflow)
 *         24 u16[] offsets of nodes, to `lower`; the nodes lie from `upper` to the end; all counted from 24
 *   node  0 u32 data length (leaf) or u48 page below (branch)   4 u16 flags   6 u16 key length   8 key, then data
 *   tree  0 u32 -   6 u16 depth   40 u64 root (all ones: empty); as data of a node with flag 2, or in the meta page
 */
const HEADER_BYTES = 24;
const NODE_BYTES = 8;
const TREE_BYTES = 48;
const ROOT_AT = 40;
const BRANCH = 0x01;
const LEAF = 0x02;
const OVERFLOW = 0x04;
const BIG_DATA = 0x01;
const SUB_TREE = 0x02;
const NO_ROOT = 0xffff_ffff_ffff_ffffn;
const PAGES_PER_TURN = 1024;

export interface TreeFile {
  readonly file: FileHandle;
  readonly pageBytes: number;
  readonly lastPage: number;
}

/** A description of what is wrong with the trees below `trees`, or undefined. Looks at `maxPages` pages at most. */
export async function findTreeDamage(
  { file, pageBytes, lastPage }: TreeFile,
  trees: readonly Buffer[],
  maxPages: number,
): Promise<string | undefined> {
  const walk = new TreeWalk(pageBytes, lastPage);
  const page = Buffer.alloc(pageBytes);
  try {
    for (const tree of trees) walk.enterTree(tree);
    for (let seen = 1; seen <= maxPages; seen++) {
      const next = walk.nextPage();
      if (next === undefined) break;
      // Synchronously: a thread of the pool per page would take ten times as long.
      const bytes = readSync(file.fd, page, 0, pageBytes, next.number * pageBytes);
      if (bytes < pageBytes) throw new TreeDamage(`page ${next.number} is not there`);
      walk.check(next, page);
      if (seen % PAGES_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  } catch (error) {
    if (error instanceof TreeDamage) return error.message;
    throw error;
  }
  return undefined;
}

class TreeDamage extends Error {}

interface DuePage {
  readonly number: number;
  readonly isOverflow: boolean;
}

class TreeWalk {
  readonly #pageBytes: number;
  readonly #lastPage: number;
  readonly #due: DuePage[] = [];
  readonly #met = new Set<number>();
  #next = 0;

  constructor(pageBytes: number, lastPage: number) {
    this.#pageBytes = pageBytes;
    this.#lastPage = lastPage;
  }

  nextPage(): DuePage | undefined {
    return this.#due[this.#next++];
  }

  enterTree(tree: Buffer): void {
    const root = tree.readBigUInt64LE(ROOT_AT);
    if (root !== NO_ROOT) this.#enter(Number(root), false);
  }

  check({ number, isOverflow }: DuePage, page: Buffer): void {
    if (page.readBigUInt64LE(0) !== BigInt(number)) throw new TreeDamage(`page ${number} does not bear its number`);
    const flags = page.readUInt16LE(18);
    if (isOverflow) {
      if ((flags & OVERFLOW) === 0) throw new TreeDamage(`page ${number} is not the value it should be`);
      else if (number + page.readUInt32LE(20) - 1 > this.#lastPage)
        throw new TreeDamage(`the value at page ${number} ends outside`);
      return;
    }
    if ((flags & (BRANCH | LEAF)) === 0) throw new TreeDamage(`page ${number} is neither a branch nor a leaf`);
    const lower = page.readUInt16LE(20);
    const upper = page.readUInt16LE(22);
    if (lower > upper || upper > this.#pageBytes - HEADER_BYTES || lower % 2 !== 0) {
      throw new TreeDamage(`page ${number} has impossible bounds`);
    }
    const isBranch = (flags & BRANCH) !== 0;
    if (isBranch && lower < 4) throw new TreeDamage(`branch page ${number} leads nowhere`);
    for (let at = 0; at < lower; at += 2) {
      const node = page.readUInt16LE(HEADER_BYTES + at);
      if (node < upper) throw new TreeDamage(`a node of page ${number} lies among its offsets`);
      else this.#checkNode(number, page, HEADER_BYTES + node, isBranch);
    }
  }

  #checkNode(number: number, page: Buffer, at: number, isBranch: boolean): void {
    const damaged = `a node of page ${number} lies outside it`;
    if (at + NODE_BYTES > this.#pageBytes) throw new TreeDamage(damaged);
    const dataAt = at + NODE_BYTES + page.readUInt16LE(at + 6);
    if (dataAt > this.#pageBytes) throw new TreeDamage(damaged);
    if (isBranch) {
      this.#enter(page.readUIntLE(at, 6), false);
      return;
    }
    const flags = page.readUInt16LE(at + 4);
    const isBig = (flags & BIG_DATA) !== 0;
    const inline = isBig ? 8 : page.readUInt32LE(at);
    if (dataAt + inline > this.#pageBytes) throw new TreeDamage(damaged);
    if (isBig) this.#enter(Number(page.readBigUInt64LE(dataAt)), true);
    if (isBig || (flags & SUB_TREE) === 0) return;
    if (inline < TREE_BYTES) throw new TreeDamage(damaged);
    this.enterTree(page.subarray(dataAt, dataAt + TREE_BYTES));
  }

  #enter(number: number, isOverflow: boolean): void {
    if (number < 2 || number > this.#lastPage)
      throw new TreeDamage(`a page refers to page ${number}, which is not there`);
    if (this.#met.has(number)) throw new TreeDamage(`two pages refer to page ${number}`);
    this.#met.add(number);
    this.#due.push({ number, isOverflow });
  }
}
