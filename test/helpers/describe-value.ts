/** A decoded value as the JSON that fixtures/generate/webdataset_values.py writes for Python's. */
export function describeValue(value: unknown): unknown {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number") {
    if (Number.isNaN(value)) return { float: "nan" };
    if (!Number.isFinite(value)) return { float: value < 0 ? "-inf" : "inf" };
    return value;
  }
  if (typeof value === "bigint") return { int: String(value) };
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString("hex") };
  if (Array.isArray(value)) return value.map(describeValue);
  if (value instanceof Set) {
    return { set: [...value].map(describeValue).sort((a, b) => Number(a) - Number(b)) };
  }
  if (value instanceof Map) {
    return { dict: [...value].map((entry) => entry.map(describeValue)) };
  }
  if (typeof value !== "object") throw new TypeError(typeof value);
  if ("dtype" in value && "shape" in value && "data" in value) {
    const { dtype, shape, data } = value;
    const items: unknown[] = Array.from(data as ArrayLike<unknown>);
    return { dtype, shape, data: items.map((item) => element(item, dtype === "bool")) };
  }
  return { dict: Object.entries(value).map(([key, item]) => [key, describeValue(item)]) };
}

function element(item: unknown, isBool: boolean): unknown {
  if (isBool) return item === 1;
  return describeValue(typeof item === "bigint" ? narrow(item) : item);
}

function narrow(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}
