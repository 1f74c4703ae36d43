import type { ByteSource } from "./byte-source.ts";
import { FileSource } from "./file-source.ts";
import { isLocalFileSystem } from "./file-system-kind.ts";
import { MappedSource } from "./mapped-source.ts";
import { canMap } from "./system-memory.ts";

/** How a file is read: "map" and "read" force one way, "auto" maps local files. */
export type FileAccess = (typeof FILE_ACCESSES)[number];

export const FILE_ACCESSES = ["auto", "map", "read"] as const;

export interface OpenSourceOptions {
  /**
   * Default "auto": a map on a local file system, plain reads on a network or user-space one and
   * where the system cannot map. Choose "read" for files that others change.
   */
  readonly access?: FileAccess;
}

/** Opens for reading; the caller closes. @throws NotFoundError, StorageError */
export function openSource(path: string, options: OpenSourceOptions = {}): ByteSource {
  const access = options.access ?? "auto";
  const map = access === "map" || (access === "auto" && isLocalFileSystem(path));
  return map && canMap() ? MappedSource.open(path) : FileSource.open(path);
}
