import type { NcclLibrary } from "../../../src/distributed/nccl/nccl.ts";

export const HANDLE = 4711;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** NCCL's functions without a GPU: notes calls; each takes two looks to be settled. */
export function recordedNccl(
  calls: unknown[][] = [],
  onSum: (pointer: number, count: number) => void = () => {},
): { readonly nccl: Mutable<NcclLibrary>; readonly calls: unknown[][] } {
  let isPending = false;
  const nccl: Mutable<NcclLibrary> = {
    path: "none",
    version: "0",
    uniqueId: () => new Uint8Array(128).fill(9),
    start: (id, rank, worldSize) => {
      calls.push(["start", id[0], rank, worldSize]);
      isPending = true;
      return HANDLE;
    },
    allReduceSum: (_, pointer, count, dtype, stream) => {
      calls.push(["sum", pointer, count, dtype, stream]);
      onSum(pointer, count);
    },
    broadcast: (_, pointer, count, dtype, root, stream) => {
      calls.push(["broadcast", pointer, count, dtype, root, stream]);
      onSum(pointer, count);
    },
    group: (work) => {
      calls.push(["begin"]);
      try {
        work();
      } finally {
        calls.push(["end"]);
      }
      isPending = true;
    },
    isSettled: () => {
      calls.push(["settle", !isPending]);
      const isSettled = !isPending;
      isPending = false;
      return isSettled;
    },
    leave: () => {
      calls.push(["leave"]);
      isPending = true;
    },
    finish: () => void calls.push(["finish"]),
    abort: async (handle) => void calls.push(["abort", handle]),
  };
  return { nccl, calls };
}
