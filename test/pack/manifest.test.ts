import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { manifestText } from "../../cli/write-manifest.ts";

test("oclif.manifest.json lists the commands as they are now (npm run manifest writes it)", async () => {
  const committed = readFileSync(new URL("../../oclif.manifest.json", import.meta.url), "utf8");
  expect(JSON.parse(committed)).toEqual(JSON.parse(await manifestText()));
});
