import { UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import type { Libtorch } from "./libtorch.ts";
import type { ThreadSettings } from "./messages.ts";
import { loadKoffi } from "./shared-libraries.ts";

/**
 * Settings of libtorch that have no C function: methods of its context by their symbols, which take an
 * address and truth values. They hold for the whole process. Denormal numbers count as zero: they
 * appear in small gradients and cost four times the time.
 *
 * @throws UnsupportedFeatureError where this version lacks a switch that is asked for
 */
export function setSwitches(
  { binding, isCuda }: Libtorch,
  { deterministic, tf32, threads }: ThreadSettings,
): void {
  if (threads !== null) {
    binding.symbol("_ZN2at15set_num_threadsEi", "void", ["int"])?.(threads);
  }
  const context = binding.symbol("_ZN2at13globalContextEv", "uintptr_t", [])?.();
  const set = (symbol: string, flags: readonly boolean[], needed: string | null) => {
    const types = ["uintptr_t", ...flags.map(() => "bool")];
    const method = context === undefined ? null : binding.symbol(symbol, "bool", types);
    if (method !== null) method(context, ...flags);
    else if (needed !== null) {
      throw new UnsupportedFeatureError("torch", `this libtorch has no switch for ${needed}`);
    }
  };
  set("_ZN2at7Context16setFlushDenormalEb", [true], null);
  if (deterministic) {
    // cuBLAS reads it when it starts.
    const setenv = loadKoffi().load(null).func("int setenv(const char *, const char *, int)");
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
    const switched = "_ZN2at7Context26setDeterministicAlgorithmsEbb";
    set(switched, [true, false], "deterministic operators");
  }
  if (!isCuda) return;
  set("_ZN2at7Context18setAllowTF32CuBLASEb", [tf32], tf32 ? "TF32" : null);
  set("_ZN2at7Context17setAllowTF32CuDNNEb", [tf32], null);
}
