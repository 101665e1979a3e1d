import { isDeepStrictEqual } from "node:util";
import { below, pick, type Random, seededRandom } from "../../bench/lib/rng.js";
import { ReadSlab } from "../../src/backends/read-slab.js";
import { encodeBatch } from "../../src/backends/redis/wire/batch-encoder.js";
import { BatchReader } from "../../src/backends/redis/wire/batch-reader.js";
import { CommandSlab } from "../../src/backends/redis/wire/command-slab.js";
import { ProtocolError } from "../../src/backends/redis/wire/protocol-error.js";
import { Kind } from "../../src/backends/request.js";
import { ConnectionError, StateError } from "../../src/core/errors.js";
import { makeStream, newContext, type Stream, storedBulk } from "./reply-fuzz.js";

/*
 * Replies that are sound, each by itself, but out of step: a value's length has grown on its way until it ends where a
 * later line does, or a value too much stands between. Of these, unlike of damage of any other kind, everything can be
 * judged: each request has the answer that it has without the damage, or an error.
 */
export interface ShiftCounts {
  /** Streams in which something was damaged, and how many of their answers were given all the same. */
  damaged: number;
  answered: number;
  failed: number;
  firstProblem: string | undefined;
}

type Made = ReturnType<typeof makeStream>;

const MOST_SWALLOWED = 6;
const TOO_MUCH = storedBulk("a key that is in no batch", "another one's");

/** The same seed gives the same streams. */
export function shiftReplies(count: number, seed: number): ShiftCounts {
  const seeds = seededRandom(seed);
  const counts: ShiftCounts = { damaged: 0, answered: 0, failed: 0, firstProblem: undefined };
  const read = newReader();
  for (let done = 0; done < count && counts.firstProblem === undefined; done++) {
    const streamSeed = below(seeds, 2 ** 31);
    const honest = makeStream(seededRandom(streamSeed));
    const given = makeStream(seededRandom(streamSeed));
    const random = seededRandom(below(seeds, 2 ** 31));
    const bytes = below(random, 2) === 0 ? swallowing(honest.replies, random) : withOneTooMuch(honest, random);
    if (bytes === undefined) continue;
    counts.damaged++;
    read(honest.stream, honest.replies.join(""), random);
    read(given.stream, bytes, random);
    counts.firstProblem = judge(honest.stream, given.stream, counts, `stream ${done} ${JSON.stringify(bytes)}`);
  }
  return counts;
}

function newReader(): (stream: Stream, bytes: string, random: Random) => void {
  const context = newContext();
  const commands = new CommandSlab(context.codec, String(context.keyPrefix));
  const slab = new ReadSlab();
  return (stream, text, random) => {
    commands.reset();
    context.parser.reset();
    slab.start = 0;
    slab.end = 0;
    slab.expectedBytes = 0;
    const bytes = Buffer.from(text, "latin1");
    // What is left over behind the very last answer, and comes after it, is seen too late for that one.
    const comesAtOnce = below(random, 3) === 0 || endsWithReads(stream);
    const reader = new BatchReader(encodeBatch(commands, stream.batch, false, false), context);
    let isWhole = false;
    try {
      for (let at = 0; at < bytes.length && !isWhole; ) {
        const piece = comesAtOnce ? bytes.length : 1 + below(random, 200);
        slab.append(bytes.subarray(at, at + piece));
        at += piece;
        isWhole = reader.consume(slab);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
    if (!isWhole) reader.abort(() => new ConnectionError("the stream has ended"));
  };
}

function endsWithReads({ batch }: Stream): boolean {
  return batch.deletes.length + batch.puts.length + batch.expiringPuts.length + batch.others.length === 0;
}

function judge(honest: Stream, given: Stream, counts: ShiftCounts, what: string): string | undefined {
  const expected = [...honest.leaders.values()];
  for (const [index, [{ kind, key }, { answers, result }]] of [...given.leaders].entries()) {
    if (answers !== 1) return `kind ${kind} of ${key} was answered ${answers} times: ${what}`;
    if (result instanceof StateError) {
      counts.failed++;
      continue;
    }
    counts.answered++;
    if (!isDeepStrictEqual(result, expected[index]!.result))
      return `kind ${kind} of ${key} gave ${String(result)} for ${String(expected[index]!.result)}: ${what}`;
  }
  return given.completions === 1 ? undefined : `completed ${given.completions} times: ${what}`;
}

function swallowing(replies: readonly string[], random: Random): string | undefined {
  const bytes = replies.join("");
  const bulks = [...bytes.matchAll(/\$(\d+)\r\n(?=\xc1M)/g)];
  if (bulks.length === 0) return undefined;
  const { 0: header, 1: length, index } = pick(random, bulks);
  const from = index + header.length;
  const ends: number[] = [];
  for (let at = from + Number(length); ends.length < MOST_SWALLOWED; ends.push(at)) {
    at = bytes.indexOf("\r\n", at + 2);
    if (at < 0) break;
  }
  if (ends.length === 0) return undefined;
  return `${bytes.slice(0, index)}$${pick(random, ends) - from}\r\n${bytes.slice(from)}`;
}

function withOneTooMuch({ stream, replies }: Made, random: Random): string | undefined {
  const { reads, deletes, puts, expiringPuts, others } = stream.batch;
  const [first] = others;
  const precedesValue = first?.kind === Kind.getAndDelete || first?.kind === Kind.setIfNotExists;
  // What is left over of the reads then looks like the answer that comes next.
  if (reads.length > 0 && precedesValue && deletes.length + puts.length + expiringPuts.length === 0) return undefined;
  const at = below(random, replies.length + 1);
  return [...replies.slice(0, at), TOO_MUCH, ...replies.slice(at)].join("");
}
