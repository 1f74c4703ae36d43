import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// Many tests start the command line or worker threads: compiled once, they start in half the time.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(
  new URL("node_modules/.cache/node-compile", import.meta.url),
);

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    disableConsoleIntercept: true,
    testTimeout: 30_000,
    // The default leaves a core to vitest, which has little to do: half of a machine with two.
    maxWorkers: "100%",
  },
});
