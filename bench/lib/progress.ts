/** One line on a terminal that is rewritten as work goes on; silent in a pipe. */
export interface Progress {
  update(text: string): void;
  clear(): void;
}

export function openProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  if (!stream.isTTY) return { update() {}, clear() {} };
  const clear = (): void => {
    stream.write("\r\x1b[K");
  };
  return {
    update(text) {
      clear();
      stream.write(text.slice(0, Math.max(20, stream.columns - 1)));
    },
    clear,
  };
}
