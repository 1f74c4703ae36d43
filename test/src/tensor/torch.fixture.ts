/** The libtorch that tests use and the devices it has, or why there is none. */
import { requireCuda } from "../../../src/tensor/torch/cuda-driver.ts";
import { type FoundLibtorch, findLibtorch } from "../../../src/tensor/torch/find-libtorch.ts";

/** SCDL_REQUIRE_GPU=1: a machine without a GPU that can be used fails the tests. */
const GPU_REQUIRED = process.env["SCDL_REQUIRE_GPU"] === "1";

function find(): FoundLibtorch | null {
  try {
    return findLibtorch();
  } catch (error) {
    if (GPU_REQUIRED) throw error;
    return null;
  }
}

function findDevices(libtorch: FoundLibtorch | null): readonly string[] {
  if (libtorch === null) return [];
  try {
    requireCuda(libtorch, 0);
    return ["cpu", "cuda"];
  } catch (error) {
    if (GPU_REQUIRED) throw error;
    return ["cpu"];
  }
}

export const LIBTORCH = find();
/** What `openExecutor("torch", { device })` takes here; the titles of the tests say it. */
export const TORCH_DEVICES = findDevices(LIBTORCH);
