import fs from "node:fs";

/**
 * File systems whose files another machine or a user-space program may change or lose under a map,
 * by Linux `statfs` magic number (linux/magic.h and the file systems' own headers).
 */
const REMOTE: ReadonlyMap<number, string> = new Map([
  [0x6969, "nfs"],
  [0x517b, "smb"],
  [0xff534d42, "cifs"],
  [0xfe534d42, "smb2"],
  [0x65735546, "fuse"],
  [0x01021997, "9p"],
  [0x00c36400, "ceph"],
  [0x0bd00bd0, "lustre"],
  [0x5346414f, "afs"],
  [0x6b414653, "afs"],
  [0x73757245, "coda"],
  [0x564c, "ncp"],
  [0x47504653, "gpfs"],
  [0x7461636f, "ocfs2"],
  [0x01161970, "gfs2"],
  [0x19830326, "beegfs"],
  [0xaad7aaea, "panfs"],
  [0x20030528, "orangefs"],
  [0x786f4256, "vboxsf"],
  [0xbacbacbc, "vmhgfs"],
]);

/** The name of the remote or shared kind for a `statfs` type, or null for a local one. */
export function remoteKind(statfsType: number): string | null {
  return REMOTE.get(statfsType >>> 0) ?? null;
}

/** Whether a file at `path` may be mapped: a local file system, as far as the system tells. */
export function isLocalFileSystem(path: string): boolean {
  try {
    const { type } = fs.statfsSync(path);
    // macOS numbers file systems as it loads them: only the kind of "/" is known to be local.
    if (process.platform === "darwin") return type === fs.statfsSync("/").type;
    return remoteKind(type) === null;
  } catch {
    return false;
  }
}
