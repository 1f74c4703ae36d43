import type { Hdf5Values } from "../hdf5/protocol.ts";

/**
 * Row names as anndata gives them: an index of numbers or booleans becomes the texts of pandas'
 * `Index.astype(str)` (`7`, `True`, `1e-05`, `nan`). Other values come back as they are.
 */
export function indexText(values: Hdf5Values): Hdf5Values {
  const texts = textOf(values);
  if (texts === null) return values;
  const offsets = new Int32Array(texts.length + 1);
  texts.forEach((text, i) => {
    offsets[i + 1] = (offsets[i] as number) + text.length;
  });
  // All of it is ASCII: one byte a character.
  return { kind: "string", offsets, bytes: new Uint8Array(Buffer.from(texts.join(""), "latin1")) };
}

function textOf(values: Hdf5Values): string[] | null {
  if (values.kind === "boolean") {
    return Array.from(values.values, (value) => (value === 0 ? "False" : "True"));
  }
  if (values.kind !== "number") return null;
  const { dtype } = values;
  const numbers: ArrayLike<number | bigint> = values.values;
  if (dtype === "float64") {
    return Array.from(numbers, (value) => floatText(Number(value), shortestOfFloat64, 1e16));
  }
  if (dtype === "float32" || dtype === "float16") {
    return Array.from(numbers, (value) => floatText(Number(value), shortestOfFloat32, 1e6));
  }
  return Array.from(numbers, String);
}

/** As numpy writes it: the fewest digits, an exponent below 1e-4 and from `large` on (numpy 2.4). */
function floatText(value: number, shortest: (value: number) => string, large: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const [mantissa = "", power = ""] = shortest(value).split("e");
  const exponent = Number(power);
  if (Math.abs(value) < 1e-4 || Math.abs(value) >= large) {
    const sign = exponent < 0 ? "-" : "+";
    return `${mantissa}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  const digits = mantissa.replace(/^-/, "").replace(".", "");
  const places = Math.max(1, digits.length - 1 - exponent);
  return Number(`${mantissa}e${exponent}`).toFixed(places);
}

function shortestOfFloat64(value: number): string {
  return value.toExponential();
}

/** The fewest digits that read back as the same float32; nine always do. */
function shortestOfFloat32(value: number): string {
  for (let digits = 0; digits < 8; digits++) {
    const text = value.toExponential(digits);
    if (Math.fround(Number(text)) === value) return text;
  }
  return value.toExponential(8);
}
