/** Attention and rotary embedding by functions of TensorFlow.js. Inside, heads come before positions. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { PlainNode, PlainValue } from "../device/plan.ts";
import type { AttentionAttributes } from "../op-attributes.ts";
import { rotaryTable } from "../rotary-table.ts";
import { type Operands, type Rules, type Run, shapeOf } from "./rule.ts";
import { dropped } from "./rules-elementwise.ts";
import { softmaxSlope } from "./rules-model.ts";

const HEADS_FIRST = [0, 2, 1, 3];
/** Added to scores of keys that a query does not see. */
const HIDDEN = 1e30;

export const ATTENTION_RULES = {
  attention: (node, inputs, run) => {
    const { tf } = run;
    const { attributes } = node;
    const [q, k, v] = headsFirst(inputs, run);
    const scores = tf.mul(tf.matMul(q, k, false, true), attributes.scale);
    const bias = biasOf(attributes, node.inputs, inputs.slice(3), run);
    const probability = tf.softmax(bias === null ? scores : tf.add(scores, bias));
    run.save(node.outputs[0]?.id ?? 0, [probability]);
    const weights = droppedWeights(probability, inputs[node.inputs.length - 1], attributes, run);
    return [headsBack(tf.matMul(weights, v), run)];
  },
  attentionBackward: (node, inputs, run) => {
    const { tf } = run;
    const { attributes } = node;
    const given = inputs.slice(1) as unknown as Operands; // proof: the attention's inputs follow
    const [q, k, v] = headsFirst(given, run);
    const [probability] = run.saved(node.inputs.at(-1)?.id ?? 0) as [Tensor]; // proof: see above
    const mask = inputs[node.inputs.length - 2];
    const slope = tf.transpose(inputs[0], HEADS_FIRST);
    const dv = tf.matMul(droppedWeights(probability, mask, attributes, run), slope, true, false);
    const dp = droppedWeights(tf.matMul(slope, v, false, true), mask, attributes, run);
    const ds = tf.mul(softmaxSlope(dp, probability, tf), attributes.scale);
    return [tf.matMul(ds, k), tf.matMul(ds, q, true, false), dv].map((x) => headsBack(x, run));
  },
  rotary: (node, [x, positions], run) => {
    const { tf } = run;
    const [cos, sin] = tablesFor(node, node.inputs.length > 1 ? positions : undefined, run);
    const [first, second] = tf.split(x, 2, -1) as [Tensor, Tensor]; // proof: in two
    // Halves changed places: the sign of the first is in the table.
    const turned = tf.concat([second, first], -1);
    return [tf.add(tf.mul(x, cos), tf.mul(turned, sin))];
  },
} satisfies Partial<Rules>;

function headsFirst([q, k, v]: Operands, { tf }: Run): [Tensor, Tensor, Tensor] {
  const turned = (x: Tensor) => tf.transpose(x, HEADS_FIRST);
  return [turned(q), turned(k), turned(v)];
}

function headsBack(x: Tensor, { tf }: Run): Tensor {
  return tf.transpose(x, HEADS_FIRST);
}

function droppedWeights(
  weights: Tensor,
  mask: Tensor | undefined,
  { dropoutRate }: AttentionAttributes,
  { tf }: Run,
): Tensor {
  if (dropoutRate === 0 || mask === undefined) return weights;
  return dropped(weights, mask, dropoutRate, tf);
}

/** What is added to scores, or null: [batch, 1, 1 or length, keys] */
function biasOf(
  { keyMask, segments }: AttentionAttributes,
  values: readonly PlainValue[],
  masks: readonly Tensor[],
  { tf }: Run,
): Tensor | null {
  const [batch = 1, length = 1] = shapeOf(values[0]);
  const keys = shapeOf(values[1])[1] ?? 1;
  const hiding = (seen: Tensor) => tf.mul(tf.sub(tf.cast(seen, "float32"), 1), HIDDEN);
  const parts: Tensor[] = [];
  const [first, ...rest] = masks;
  if (keyMask && first !== undefined) parts.push(hiding(tf.reshape(first, [batch, 1, 1, keys])));
  const [own, theirs] = keyMask ? rest : masks;
  if (segments && own !== undefined && theirs !== undefined) {
    const query = tf.reshape(own, [batch, 1, length, 1]);
    parts.push(hiding(tf.equal(query, tf.reshape(theirs, [batch, 1, 1, keys]))));
  }
  const [one, other] = parts;
  if (one === undefined) return null;
  return other === undefined ? one : tf.add(one, other);
}

/** cos and sin, twice beside each other, [1 or batch, length, 1, size] */
function tablesFor(
  node: PlainNode<"rotary">,
  positions: Tensor | undefined,
  run: Run,
): readonly [Tensor, Tensor] {
  const { tf } = run;
  const [batch = 1, length = 1, , size = 1] = shapeOf(node.inputs[0]);
  const { base, inverse } = node.attributes;
  const table = (name: "cos" | "sin") => {
    const sign = name === "sin" && inverse ? -1 : 1;
    const made = run.lasting(`${name} ${length} ${size} ${base} ${sign}`, () =>
      tf.tensor(rotaryTable(name, length, size, base, sign), [length, size]),
    );
    const taken = positions === undefined ? made : tf.gather(made, positions, 0);
    return tf.reshape(taken, [positions === undefined ? 1 : batch, length, 1, size]);
  };
  return [table("cos"), table("sin")];
}
