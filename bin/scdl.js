#!/usr/bin/env node
// The command, committed with its mode: npm links and runs it before and after every build.
import { existsSync } from "node:fs";

const built = new URL("../dist/cli/run.js", import.meta.url);
if (existsSync(built)) {
  await import(built.href);
} else {
  process.stderr.write("error: scdl is not built yet\n  try: npm install, or npm run build\n");
  process.exitCode = 1;
}
