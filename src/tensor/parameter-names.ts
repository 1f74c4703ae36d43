import { IncompatibleError, NotFoundError } from "../../formats/common/errors.ts";

/** @throws NotFoundError, IncompatibleError for arrays that do not fit the lengths by name */
export function requireArrays(
  arrays: ReadonlyMap<string, Float32Array>,
  lengths: ReadonlyMap<string, number>,
): void {
  for (const [name, array] of arrays) {
    const length = lengths.get(name);
    if (length === undefined) throw missingParameter(name, [...lengths.keys()]);
    if (length === array.length) continue;
    throw new IncompatibleError(
      "shape-mismatch",
      `parameter ${name} has ${length} elements, the array ${array.length}`,
    );
  }
}

export function missingParameter(name: string, available: readonly string[]): NotFoundError {
  return new NotFoundError("parameter-missing", `there is no parameter ${name}`, {
    what: name,
    available,
  });
}
