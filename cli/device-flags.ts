/** Flags of every command that runs a network, about what it runs on. */
import { boolean, integer, string } from "@oclif/core/flags";

const DEVICE = { helpGroup: "DEVICE" };

export const DEVICE_FLAGS = {
  device: string({
    ...DEVICE,
    default: "cpu",
    summary: "cpu, torch-cpu, cuda, cuda:N, webgpu, tfjs: see `scdl devices`.",
  }),
  precision: string({
    ...DEVICE,
    default: "32",
    summary: "Of products: 32, bf16-mixed, 16-mixed; the last two on torch-cpu and cuda.",
  }),
  deterministic: boolean({
    ...DEVICE,
    allowNo: true,
    summary: "The same bits every time on a GPU, too: slower. On the CPU it is always so.",
  }),
  tf32: boolean({
    ...DEVICE,
    allowNo: true,
    summary: "On cuda: products of float32 with 10 bits of mantissa, faster.",
  }),
  libtorch: string({
    ...DEVICE,
    summary: "Folder of the PyTorch to run on. Default: LIBTORCH, or the one that is found.",
  }),
  threads: integer({ ...DEVICE, min: 1, summary: "Default: what the machine offers." }),
};
