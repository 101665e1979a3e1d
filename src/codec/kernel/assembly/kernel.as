import { buildTables } from "./crc32";

export { crc32 } from "./crc32";
export { writeEntries, writeKeys } from "./bulk-arguments";
export { scanRows, scanValues } from "./bulk-values";
export { openFrame, sealFrame, sealFrames } from "./frame";
export { compressBlock } from "./lz4-compress";
export { decompressBlock } from "./lz4-decompress";

buildTables();
