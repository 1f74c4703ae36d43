import { type DropoutKey, dropoutKeys, dropoutThreshold } from "../dropout-bits.ts";
import { elementCount, type Shape } from "../program.ts";
import { fillDropoutMaskFast } from "../update/dropout-kernel.ts";
import type { Libtorch } from "./libtorch.ts";
import type { Tensor } from "./tensor.ts";

type MaskMaker = (
  torch: Libtorch,
  shape: Shape,
  rate: number,
  key: DropoutKey,
  /** Remembers a row that is the same in every mask. */
  table?: (name: string, make: () => Tensor) => Tensor,
) => Tensor;

/** The mask of `dropout-bits.ts`, filled by the processor. */
export const dropoutMaskOnHost: MaskMaker = (torch, shape, rate, key) => {
  const bits = new Uint8Array(elementCount(shape));
  fillDropoutMaskFast(bits, rate, key);
  return torch.isCuda ? torch.stage(bits, shape) : torch.fromHost(bits, shape);
};

/**
 * The same mask by the device's integer operations. int32 products wrap; `>>` is arithmetic, so the
 * bits that it brings in are masked out.
 */
export const dropoutMaskOnDevice: MaskMaker = (
  torch,
  shape,
  rate,
  key,
  table = (_, make) => make(),
) => {
  const { k0, k1 } = dropoutKeys(key);
  const count = elementCount(shape);
  const words = Math.ceil(count / 2);
  const integer = (value: number) => torch.integer(value);
  const one = (name: "bitwiseXor" | "bitwiseAnd" | "shiftRight" | "mul", a: Tensor, b: number) =>
    torch.one(name, a, integer(b));
  const shifted = (z: Tensor, bits: number) =>
    one("bitwiseAnd", one("shiftRight", z, bits), 2 ** (32 - bits) - 1);
  const fold = (z: Tensor, bits: number) => torch.one("bitwiseXor", z, shifted(z, bits));
  const mix = (value: Tensor) => {
    let z = one("mul", fold(value, 16), 0x85eb_ca6b | 0);
    z = one("mul", fold(z, 13), 0xc2b2_ae35 | 0);
    return fold(z, 16);
  };
  const low = table("consecutive numbers", () => torch.upload(LOW, [1, ROW]));
  const bits = mix(one("bitwiseXor", mix(consecutive(torch, k0, words, low)), k1));
  const halves = torch.one("stack", [one("bitwiseAnd", bits, 0xffff), shifted(bits, 16)], 1);
  const kept = torch.one("ge", halves, integer(dropoutThreshold(rate)));
  const flat = torch.one("reshape", kept, [2 * words]);
  const whole = count % 2 === 0 ? flat : torch.one("slice", flat, 0, 0, count);
  return torch.one("reshape", whole, shape);
};

const ROW = 2 ** 16;
const LOW = Int32Array.from({ length: ROW }, (_, at) => at);

/** `count` int32 numbers from `first` on: high and low halves joined, for want of a sum of integers. */
function consecutive(torch: Libtorch, first: number, count: number, lows: Tensor): Tensor {
  const low = first & (ROW - 1);
  const rows = Math.ceil((low + count) / ROW);
  const highs = Int32Array.from({ length: rows }, (_, row) => ((first >> 16) + row) << 16);
  const grid = torch.one("bitwiseXor", torch.stage(highs, [rows, 1]), lows);
  return torch.one("slice", torch.one("reshape", grid, [rows * ROW]), 0, low, low + count);
}
