import type { OptimizerSettings, UpdateOptions, UpdateResult } from "../optimizer.ts";
import type { Late } from "../request-thread.ts";
import { factorsFor, usesFirst } from "../update/host-update.ts";
import type { Arrivals } from "./arrivals.ts";
import type { Libtorch } from "./libtorch.ts";
import type { Tensor } from "./tensor.ts";
import type { TensorState } from "./tensor-state.ts";

/**
 * An update with libtorch's fused optimizers. The norm, the clipping and the decision to leave all as
 * it is are the device's; the host is told later.
 */
export function updateOnDevice(
  state: TensorState,
  optimizer: OptimizerSettings,
  options: UpdateOptions,
  torch: Libtorch,
  arrivals: Arrivals,
): UpdateResult | Late<UpdateResult> {
  const { gradientFactor = 1, maxGradientNorm, guard } = options;
  const { trained } = state;
  if (trained.length === 0) return { gradientNorm: 0, applied: true };
  if (state.guard.forbids(guard)) return { gradientNorm: Number.NaN, applied: false };
  const gradients = state.all("gradients", trained);
  const norm = torch.one("mul", globalNorm(gradients, torch), torch.number(gradientFactor));
  const own = torch.one("mul", norm, torch.number(0));
  const { lossScale } = state;
  const health = state.guard.check(lossScale?.excuse(own) ?? own, guard);
  const isWell = lossScale === null ? health : torch.add(health, own);
  const finite = torch.one("isfinite", isWell);
  const skipped = torch.one("toCopy", torch.one("logicalNot", finite), torch.dtypes.float32);
  const factor = clipFactor(norm, gradientFactor, maxGradientNorm, torch);
  const scaled = factor === null ? gradients : torch.many("foreachMul", gradients, factor);
  const byName = new Map(trained.map((name, at) => [name, scaled[at] as Tensor])); // proof: one each
  const updated = trained.filter((name) => options.only?.has(name) !== false);
  for (const names of groupsOf(updated, optimizer)) {
    apply(state, names, byName, skipped, { optimizer, options }, torch);
  }
  state.valuesChanged();
  const numbers = lossScale === null ? [norm, health] : [norm, health, lossScale.factor];
  const told = new Float32Array(numbers.length);
  const copy = torch.takeOut(torch.one("stack", numbers, 0), told, [told.length]);
  lossScale?.updated(skipped, health);
  return arrivals.after(() => {
    copy.arrived();
    return resultOf(told);
  });
}

/** @param told norm, health and the loss's factor where there is one */
function resultOf(told: Float32Array): UpdateResult {
  const [gradientNorm = Number.NaN, health, lossScale] = told;
  if (lossScale === undefined) return { gradientNorm, applied: health === 0 };
  const isWell = health === 0;
  const applied = isWell && Number.isFinite(gradientNorm);
  return { gradientNorm, applied, skipped: isWell && !applied, lossScale };
}

/** Of all gradients together; float32 [] on the device. */
export function globalNorm(gradients: readonly Tensor[], torch: Libtorch): Tensor {
  const flat = gradients.map((gradient) => torch.one("reshape", gradient, [-1]));
  const parts = torch.isCuda ? joined(flat, torch) : flat;
  const squares = parts.map((part) => torch.one("dot", part, part));
  const total = torch.one("sum", torch.one("stack", squares, 0), [0]);
  return torch.one("sqrt", total);
}

/** Elements joined for one product: 256 MiB are enough that launching it takes no time beside it. */
const JOINED = 2 ** 26;

/** Vectors one behind another, in few. */
function joined(vectors: readonly Tensor[], torch: Libtorch): Tensor[] {
  const groups: Tensor[][] = [];
  let room = 0;
  for (const vector of vectors) {
    const size = torch.sizeOf(vector, 0);
    if (size > room) {
      groups.push([]);
      room = JOINED;
    }
    groups.at(-1)?.push(vector);
    room -= size;
  }
  return groups.map((group) => {
    const [first] = group as [Tensor]; // proof: begun with a vector
    return group.length === 1 ? first : torch.one("cat", group, 0);
  });
}

/** min(1, limit / (norm + 1e-6)) times the factor, on the device; null where gradients are as they are. */
function clipFactor(
  norm: Tensor,
  gradientFactor: number,
  limit: number | undefined,
  torch: Libtorch,
): Tensor | null {
  if (limit === undefined) {
    return gradientFactor === 1 ? null : torch.full([], gradientFactor, torch.dtypes.float32);
  }
  const raised = torch.add(norm, torch.number(1e-6));
  const ratio = torch.one("div", torch.number(limit), raised);
  const clipped = torch.one("minimum", ratio, torch.number(1));
  return torch.one("mul", clipped, torch.number(gradientFactor));
}

/** Parameters of equal weight decay and learning rate: a fused optimizer takes one of each. */
function groupsOf(
  names: readonly string[],
  { noDecay, learningRateFactors }: OptimizerSettings,
): readonly (readonly string[])[] {
  const groups = new Map<string, string[]>();
  for (const name of names) {
    const key = `${noDecay?.has(name) === true} ${learningRateFactors?.get(name) ?? 1}`;
    const group = groups.get(key) ?? [];
    group.push(name);
    groups.set(key, group);
  }
  return [...groups.values()];
}

function apply(
  state: TensorState,
  names: readonly string[],
  gradients: ReadonlyMap<string, Tensor>,
  skipped: Tensor,
  {
    optimizer,
    options,
  }: { readonly optimizer: OptimizerSettings; readonly options: UpdateOptions },
  torch: Libtorch,
): void {
  const values = state.all("values", names);
  const given = names.map((name) => gradients.get(name) as Tensor); // proof: one for each trained name
  const factors = factorsFor(names[0] ?? "", 1, optimizer, options);
  const { beta1, beta2, epsilon, learningRate, weightDecay, firstUpdate } = factors;
  const first = usesFirst(optimizer) ? state.all("first", names) : [];
  if (optimizer.kind === "sgd") {
    const numbers = [weightDecay, beta1, learningRate, 0] as const;
    const flags = [false, false, firstUpdate] as const;
    torch.many("sgd", values, given, first, ...numbers, ...flags, null, skipped);
    return;
  }
  const second = state.all("second", names);
  const step =
    state.lossScale?.appliedStep(options.step) ??
    torch.full([], options.step, torch.dtypes.float32);
  const steps = names.map(() => step);
  const numbers = [learningRate, beta1, beta2, weightDecay, epsilon] as const;
  const tensors = [values, given, first, second, [], steps] as const;
  torch.many(optimizer.kind, ...tensors, ...numbers, false, false, null, skipped);
}
