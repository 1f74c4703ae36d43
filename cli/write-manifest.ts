/** Writes oclif.manifest.json from the built commands: `npm run manifest`, after a build. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Plugin } from "@oclif/core/config";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The manifest as its file should read; commands are loaded from `dist/`. */
export async function manifestText(): Promise<string> {
  const plugin = new Plugin({
    root: ROOT,
    type: "core",
    ignoreManifest: true,
    errorOnManifestCreate: true,
  });
  await plugin.load();
  const { commands, ...rest } = plugin.manifest;
  // They come in the order of the file system.
  const sorted = Object.entries(commands).sort(([a], [b]) => (a < b ? -1 : 1));
  return `${JSON.stringify({ commands: Object.fromEntries(sorted), ...rest }, null, 2)}\n`;
}

if (import.meta.main) {
  writeFileSync(new URL("../oclif.manifest.json", import.meta.url), await manifestText());
}
