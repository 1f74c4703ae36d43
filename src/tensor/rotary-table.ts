/**
 * A table of rotary embedding, [positions, size], both halves of a row alike but for the sign of the
 * first in that of `sin`: x * cos + (x with halves changed) * sin turns x.
 *
 * @param sign -1 turns the other way
 */
export function rotaryTable(
  name: "cos" | "sin",
  positions: number,
  size: number,
  base: number,
  sign: number,
): Float32Array {
  const half = size / 2;
  const table = new Float32Array(positions * size);
  for (let position = 0; position < positions; position++) {
    for (let j = 0; j < half; j++) {
      const angle = position * base ** ((-2 * j) / size);
      const at = position * size + j;
      table[at] = name === "cos" ? Math.cos(angle) : -sign * Math.sin(angle);
      table[at + half] = name === "cos" ? Math.cos(angle) : sign * Math.sin(angle);
    }
  }
  return table;
}
