import { closeSync, fsyncSync, openSync } from "node:fs";

/** Makes renames and new names in a directory survive a power failure. */
export function syncDirectory(directory: string): void {
  // Windows cannot open a directory; its renames are journalled.
  if (process.platform === "win32") return;
  const fd = openSync(directory, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
