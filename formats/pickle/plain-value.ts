import { FormatError } from "../common/errors.ts";
import { Allowed, PickledArray, PickledDtype } from "./allowed.ts";

const MAX_DEPTH = 1000;

/**
 * Dicts with only text keys as objects, everywhere in `value`; what the pickle shares stays shared.
 * With `keepMaps` a dict stays a Map: an object would move keys that look like numbers to the front.
 * @throws FormatError for nesting beyond 1000 levels and for a bare class or dtype.
 */
export function plainValue(value: unknown, path: string, keepMaps = false): unknown {
  const done = new Map<unknown, unknown>();

  function convert(item: unknown, depth: number): unknown {
    if (typeof item !== "object" || item === null) return item;
    if (item instanceof Allowed || item instanceof PickledDtype) {
      throw new FormatError("bad-pickle", "expected a value in a pickle, found a class or dtype", {
        path,
      });
    }
    if (item instanceof PickledArray) {
      const { dtype, shape, data } = item;
      return remember(item, { dtype, shape, data });
    }
    if (!(Array.isArray(item) || item instanceof Map || item instanceof Set)) return item;
    const known = done.get(item);
    if (known !== undefined) return known;
    if (depth > MAX_DEPTH) {
      throw new FormatError("too-deep", `expected at most ${MAX_DEPTH} levels of a pickle`, {
        path,
      });
    }
    if (Array.isArray(item)) {
      const list: unknown[] = [];
      done.set(item, list);
      for (const part of item) list.push(convert(part, depth + 1));
      return list;
    }
    if (item instanceof Set) {
      const set = new Set<unknown>();
      done.set(item, set);
      for (const part of item) set.add(convert(part, depth + 1));
      return set;
    }
    return convertDict(item, depth);
  }

  function convertDict(item: Map<unknown, unknown>, depth: number): unknown {
    if (!keepMaps && [...item.keys()].every((key) => typeof key === "string")) {
      const record: Record<string, unknown> = {};
      done.set(item, record);
      for (const [key, part] of item) {
        // Defined and not assigned: "__proto__" is a key like any other.
        Object.defineProperty(record, String(key), {
          value: convert(part, depth + 1),
          ...{ writable: true, enumerable: true, configurable: true },
        });
      }
      return record;
    }
    const map = new Map<unknown, unknown>();
    done.set(item, map);
    for (const [key, part] of item) map.set(convert(key, depth + 1), convert(part, depth + 1));
    return map;
  }

  function remember<T>(item: unknown, made: T): unknown {
    const known = done.get(item);
    if (known !== undefined) return known;
    done.set(item, made);
    return made;
  }

  return convert(value, 0);
}
