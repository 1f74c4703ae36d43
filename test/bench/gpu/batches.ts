/** The batches of a part, of random tokens. */
import { readFileSync } from "node:fs";
import type { MaskedBatch } from "../../../src/models/index.ts";
import type { MaskedTokens } from "../../../src/tokenize/bert-mask.ts";
import { packBatch } from "../../../src/tokenize/pack-batch.ts";
import { randomNumbers } from "./models.ts";

const random = randomNumbers(1);
const PAD_ID = 1;

/** How rows come from proteins of the lengths in lengths.json. */
const LAYOUTS = ["lengths", "padded", "sorted"] as const;
export type Layout = (typeof LAYOUTS)[number];

/** "esm2-650M-sorted" is a model and a layout, "esm2-650M" full rows. */
export function layoutOf(given: string): readonly [model: string, layout: Layout | null] {
  const layout = LAYOUTS.find((name) => given.endsWith(`-${name}`)) ?? null;
  return [layout === null ? given : given.slice(0, -layout.length - 1), layout];
}

/**
 * @param layout "lengths": one row of batch * length tokens, packed; "padded": random proteins padded to
 *   `length`; "sorted": neighbours in the order of lengths, padded to their longest; null: full rows
 */
export function newBatches(
  layout: Layout | null,
  [batch, length]: readonly [number, number],
  vocabulary: number,
  count: number,
): readonly MaskedBatch[] {
  if (layout === null) {
    return [
      padded(
        Array.from({ length: batch }, () => length),
        length,
        vocabulary,
      ),
    ];
  }
  const lengths: readonly number[] = JSON.parse(readFileSync("lengths.json", "utf8"));
  if (layout === "lengths") return [packed(lengths, batch * length, vocabulary)];
  const fit = lengths.map((each) => Math.min(each, length));
  const sorted = fit.toSorted((a, b) => a - b);
  const place = (places: number) => Math.floor(random() * places);
  return Array.from({ length: count }, () => {
    if (layout === "padded") {
      const drawn = Array.from({ length: batch }, () => fit[place(fit.length)] ?? 0);
      return padded(drawn, length, vocabulary);
    }
    const begin = batch * place(Math.floor(sorted.length / batch));
    const neighbours = sorted.slice(begin, begin + batch);
    return padded(neighbours, Math.max(...neighbours), vocabulary);
  });
}

function padded(lengths: readonly number[], width: number, vocabulary: number): MaskedBatch {
  const tokens = lengths.length * width;
  const text = new Int32Array(tokens).fill(PAD_ID);
  const [lossMask, attentionMask] = [new Uint8Array(tokens), new Uint8Array(tokens)];
  for (const [row, length] of lengths.entries()) {
    const { text: ids, lossMask: counts } = sequence(length, vocabulary);
    text.set(ids, row * width);
    lossMask.set(counts, row * width);
    attentionMask.fill(1, row * width, row * width + length);
  }
  return { text, attentionMask, lossMask, labels: text, shape: [lengths.length, width] };
}

/** Proteins in the order of the file, until the next does not fit. */
function packed(lengths: readonly number[], room: number, vocabulary: number): MaskedBatch {
  const items: MaskedTokens[] = [];
  for (let left = room, at = 0; left >= (lengths[at] ?? Number.POSITIVE_INFINITY); at++) {
    const item = sequence(lengths[at] ?? 0, vocabulary);
    items.push(item);
    left -= item.text.length;
  }
  return packBatch(items);
}

function sequence(length: number, vocabulary: number): MaskedTokens {
  const text = Int32Array.from({ length }, () => 4 + Math.floor(random() * (vocabulary - 4)));
  return { text, lossMask: Uint8Array.from(text, () => (random() < 0.15 ? 1 : 0)), labels: text };
}
