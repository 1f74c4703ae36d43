import { createRequire } from "node:module";

/**
 * The five C calls behind a mapped file, through koffi's prebuilt binary.
 *
 * Addresses are plain numbers: user space ends at 2^47 (2^52 with five-level paging), below 2^53.
 * `mmap-io` is not used: it passes size and offset through a C int, so that files over 2 GiB fail
 * or silently map the wrong bytes.
 */
export interface SystemMemory {
  /** A read-only shared map of the whole file, or null when the system refuses. */
  map(fd: number, byteLength: number): { address: number; buffer: ArrayBuffer } | null;
  unmap(address: number, byteLength: number): void;
  /** 0 when the advice was taken. */
  advise(address: number, byteLength: number, advice: number): number;
  /** One page of `mincore`; null on error. */
  isResident(address: number): boolean | null;
  /** The current length of an open file, in 0.3 us. */
  fileLength(fd: number): number;
  readonly pageBytes: number;
}

/** Equal on Linux and macOS, except POPULATE_READ, which is Linux >= 5.14. */
export const MADV_RANDOM = 1;
export const MADV_WILLNEED = 3;
export const MADV_POPULATE_READ = 22;

const PROT_READ = 1;
const MAP_SHARED = 1;
const SEEK_END = 2;
/** `sysconf(_SC_PAGESIZE)`: the number of the name differs by system. */
const SC_PAGESIZE = process.platform === "darwin" ? 29 : 30;

let loaded: SystemMemory | null | undefined;

/** The calls, or null where files cannot be mapped (Windows, no binary for the platform). */
export function systemMemory(): SystemMemory | null {
  if (loaded === undefined) loaded = load();
  return loaded;
}

/** Whether the system may have the calls, without loading anything. */
export function canMap(): boolean {
  return process.platform === "linux" || process.platform === "darwin";
}

function load(): SystemMemory | null {
  if (!canMap()) return null;
  let koffi: typeof import("koffi");
  try {
    koffi = createRequire(import.meta.url)("koffi");
  } catch {
    return null;
  }
  // The process itself exports its C library: no soname to guess for glibc, musl or macOS.
  const libc = koffi.load(null);
  const mmap = libc.func("void *mmap(void *, size_t, int, int, int, int64_t)");
  const munmap = libc.func("int munmap(uintptr_t, size_t)");
  const madvise = libc.func("int madvise(uintptr_t, size_t, int)");
  const mincore = libc.func("int mincore(uintptr_t, size_t, void *)");
  const lseek = libc.func("int64_t lseek(int, int64_t, int)");
  const pageBytes = Number(libc.func("long sysconf(int)")(SC_PAGESIZE));
  const resident = new Uint8Array(1);
  return {
    pageBytes,
    map(fd, byteLength) {
      const pointer = mmap(null, byteLength, PROT_READ, MAP_SHARED, fd, 0);
      const address = BigInt.asIntN(64, koffi.address(pointer));
      if (address === -1n) return null;
      return { address: Number(address), buffer: koffi.view(pointer, byteLength) };
    },
    unmap(address, byteLength) {
      munmap(address, byteLength);
    },
    advise: (address, byteLength, advice) => madvise(address, byteLength, advice),
    isResident(address) {
      const page = address - (address % pageBytes);
      return mincore(page, pageBytes, resident) === 0 ? ((resident[0] ?? 0) & 1) === 1 : null;
    },
    fileLength: (fd) => Number(lseek(fd, 0, SEEK_END)),
  };
}
