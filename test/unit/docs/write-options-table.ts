// Writes the table of options into docs/tuning.md: node dist/test/unit/docs/write-options-table.js
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, readDocument, withSection } from "./document.js";
import { optionsTable } from "./options-table.js";

const path = "docs/tuning.md";
writeFileSync(join(ROOT, path), withSection(readDocument(path), "options", optionsTable()));
