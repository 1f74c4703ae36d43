/** Making files cold, and keeping a program from holding them all in memory. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

/** Forgets cached pages: of the machine when allowed (root on Linux), else of these files. */
export function dropCaches(directory: string): boolean {
  spawnSync("sync");
  try {
    fs.writeFileSync("/proc/sys/vm/drop_caches", "1");
    return true;
  } catch {
    return dropFiles(directory);
  }
}

/** `dd iflag=nocache count=0` is POSIX_FADV_DONTNEED over the whole file. */
function dropFiles(directory: string): boolean {
  return fs
    .readdirSync(directory)
    .filter((name) => name.endsWith(".npy"))
    .every((name) => {
      const file = path.join(directory, name);
      const options = [`if=${file}`, "iflag=nocache", "count=0", "status=none"];
      return spawnSync("dd", options).status === 0;
    });
}

export interface MemoryLimit {
  /** Put before a command line. */
  readonly prefix: readonly string[];
  readonly note: string;
  release(): void;
}

/** A control group whose programs may use `bytes`, page cache included; needs root on Linux. */
export function limitMemory(bytes: number): MemoryLimit {
  const versions = [
    { root: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes" },
    { root: "/sys/fs/cgroup", limit: "memory.max" },
  ];
  for (const { root, limit } of versions) {
    const group = path.join(root, `scdl-bench-${process.pid}`);
    try {
      if (!fs.existsSync(root)) continue;
      fs.mkdirSync(group);
      fs.writeFileSync(path.join(group, limit), String(bytes));
      return {
        prefix: ["sh", "-c", `echo $$ > ${group}/cgroup.procs && exec "$@"`, "sh"],
        note: `memory limited to ${bytes / 2 ** 30} GiB by a control group`,
        release: () => remove(group),
      };
    } catch {
      remove(group);
    }
  }
  return { prefix: [], note: "memory not limited", release: () => {} };
}

function remove(group: string): void {
  try {
    fs.rmdirSync(group);
  } catch {
    // Never made, or a program is still ending: an empty group does no harm.
  }
}

/** Writes what waits in memory, of any program, to the disk. */
export function flushDisk(): void {
  spawnSync("sync");
}

/** Reads a file once, so that the next reader finds it in memory. */
export function readIntoCache(file: string): void {
  const block = new Uint8Array(2 ** 24);
  const descriptor = fs.openSync(file, "r");
  while (fs.readSync(descriptor, block) > 0);
  fs.closeSync(descriptor);
}
