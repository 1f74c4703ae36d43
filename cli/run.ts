#!/usr/bin/env node
// Only this check may be loaded statically: everything else needs the Node it asks for.
import { unsupportedNodeMessage } from "../src/node-version.ts";

const message = unsupportedNodeMessage(process.versions.node);
if (message === null) {
  const { main } = await import("./main.ts");
  await main(process.argv.slice(2), import.meta.url);
} else {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}
