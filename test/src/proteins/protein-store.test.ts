import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  FormatError,
  IncompatibleError,
  InvalidArgumentError,
  isScdlError,
  NotFoundError,
  ScdlError,
  StorageError,
  UnsupportedFeatureError,
} from "../../../formats/common/errors.ts";
import { decodeStoreHeader, STORE_FILES } from "../../../formats/protein-store/layout.ts";
import { ProteinStoreWriter } from "../../../formats/protein-store/store-writer.ts";
import { inspectProteins } from "../../../src/proteins/inspect-proteins.ts";
import { ProteinStore } from "../../../src/proteins/protein-store.ts";
import { errorOf } from "../../helpers/error-of.ts";

const folder = mkdtempSync(join(tmpdir(), "scdl-store-"));
afterAll(() => rmSync(folder, { recursive: true }));

const proteins = Array.from({ length: 300 }, (_, i) => {
  const id = i % 50 === 7 ? `prötein ${i}` : `UniRef90_A0A${(i * 7919).toString(36)}`;
  return [id, i === 12 ? "" : "MKLVAGSERTIDPQNFYHWC".repeat(1 + (i % 400)).slice(i % 7)] as const;
});
const clusters = [[3, 1, 2], [], [299], [0, 7, 57], [5]];

async function write(path: string, options = {}): Promise<void> {
  const writer = new ProteinStoreWriter(path, options);
  for (const [id, sequence] of proteins) writer.add(id, Buffer.from(sequence));
  await writer.endProteins();
  for (const rows of clusters) writer.addCluster(Uint32Array.from(rows));
  await writer.finish();
}

const sound = join(folder, "sound.proteins");
beforeAll(() => write(sound));

describe("a store", () => {
  test.each(["map", "read"] as const)("gathers many proteins behind one another (%s)", (access) => {
    using store = ProteinStore.open(sound, { access });
    const rows = [299, 12, 0, 0, 12, 7, 150];
    const texts = rows.map((row) => (proteins[row] as (typeof proteins)[number])[1]);
    const { bytes, offsets } = store.gather(rows);
    const textAt = (k: number) =>
      Buffer.from(bytes.subarray(offsets[k], offsets[k + 1])).toString();
    expect(rows.map((_, k) => textAt(k))).toEqual(texts);
    const again = store.gather(Float64Array.of(7, 12), bytes);
    expect(again.bytes).toBe(bytes);
    expect(Buffer.from(bytes.subarray(0, again.offsets[2])).toString()).toBe(texts[5]);
    expect([...store.gather([]).offsets]).toEqual([0]);
    for (const row of [-1, 300, 1.5, Number.NaN]) {
      expect(() => store.gather([0, row])).toThrow(`expected a row of 0 to 299, found ${row}`);
    }
  });

  test.each(["map", "read"] as const)("gives proteins by row and by name (%s)", (access) => {
    using store = ProteinStore.open(sound, { access });
    expect(store.length).toBe(300);
    expect(store.residues).toBe(proteins.reduce((sum, [, text]) => sum + text.length, 0));
    proteins.forEach(([id, sequence], row) => {
      expect(store.id(row)).toBe(id);
      expect(store.indexOf(id)).toBe(row);
      expect(Buffer.from(store.sequence(row)).toString()).toBe(sequence);
      expect(Buffer.from(store.sequenceOf(id)).toString()).toBe(sequence);
      expect(store.get(id)).toBe(sequence);
      expect(store.has(`${id}x`)).toBe(false);
    });
    expect(store.indexOf("")).toBe(-1);
    expect([...store.entries()]).toEqual(proteins.map(([id, sequence]) => [id, sequence]));
  });

  test.each(["map", "read"] as const)("gives the members of its clusters (%s)", (access) => {
    using store = ProteinStore.open(sound, { access });
    const found = store.clusters;
    if (found === null) throw new Error("the store has clusters");
    expect(found.length).toBe(clusters.length);
    clusters.forEach((rows, cluster) => {
      expect(found.size(cluster)).toBe(rows.length);
      rows.forEach((row, k) => {
        expect(found.memberRow(cluster, k)).toBe(row);
        expect(found.memberId(cluster, k)).toBe(proteins[row]?.[0]);
        const residues = Buffer.from(found.memberSequence(cluster, k)).toString();
        expect(residues).toBe(proteins[row]?.[1]);
      });
    });
    for (const cluster of [-1, clusters.length, 0.5, Number.NaN]) {
      expect(() => found.size(cluster), String(cluster)).toThrow(InvalidArgumentError);
    }
    for (const k of [-1, 3, 0.5]) {
      expect(() => found.memberId(0, k), String(k)).toThrow(InvalidArgumentError);
    }
  });

  test("hands out copies that belong to the caller", () => {
    using store = ProteinStore.open(sound);
    const first = store.sequence(3);
    const second = store.sequence(3);
    first.fill(0);
    expect(second).toEqual(store.sequence(3));
    expect(() => structuredClone(second, { transfer: [second.buffer as ArrayBuffer] })).toThrow(
      /transfer/i,
    );
  });

  test("refuses rows and names that are not there, and reads after close", () => {
    const store = ProteinStore.open(sound);
    for (const row of [-1, 300, 0.5, Number.NaN]) {
      expect(() => store.id(row), String(row)).toThrow(InvalidArgumentError);
      expect(() => store.sequence(row), String(row)).toThrow(InvalidArgumentError);
    }
    const error = errorOf(() => store.sequenceOf("none"), NotFoundError);
    expect([error.code, error.what]).toEqual(["no-such-protein", "none"]);
    store.close();
    expect(errorOf(() => store.sequence(0), ScdlError).code).toBe("closed");
    expect(errorOf(() => store.indexOf("x"), ScdlError).code).toBe("closed");
  });

  test("notices, at the next turn, that a file of it was shortened", async () => {
    const path = join(folder, "shortened.proteins");
    cpSync(sound, path, { recursive: true });
    using store = ProteinStore.open(path, { access: "map" });
    expect(store.sequence(0).length).toBeGreaterThan(0);
    truncateSync(join(path, "records.bin"), 10);
    await new Promise((resolve) => setImmediate(resolve));
    expect(errorOf(() => store.sequence(200), StorageError).code).toBe("file-changed");
  });

  test("of no proteins, and one without clusters", async () => {
    const path = join(folder, "empty.proteins");
    await new ProteinStoreWriter(path).finish();
    using store = ProteinStore.open(path);
    expect([store.length, store.indexOf("a"), store.clusters]).toEqual([0, -1, null]);
    expect(() => store.id(0)).toThrow(InvalidArgumentError);
  });
});

describe("writing", () => {
  test("shows nothing before the end, and leaves nothing when aborted", async () => {
    const path = join(folder, "aborted.proteins");
    const writer = new ProteinStoreWriter(path);
    writer.add("a", Buffer.from("MK"));
    await writer.endProteins();
    expect(writer.indexOf("a")).toBe(0);
    expect(readdirSync(folder)).not.toContain("aborted.proteins");
    writer.abort();
    expect(readdirSync(folder).filter((name) => name.includes("aborted"))).toEqual([]);
    expect(() => writer.add("b", Buffer.from("M"))).toThrow(/proteins come first/);
  });

  test("refuses a name that comes twice, naming both rows", async () => {
    const writer = new ProteinStoreWriter(join(folder, "twice.proteins"));
    for (const id of ["a", "b", "ü", "b"]) writer.add(id, Buffer.from("M"));
    const error = await writer.finish().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(IncompatibleError);
    expect(String(error)).toMatch(/rows 1 and 3 \(from 0\) are both named "b"/);
    expect(readdirSync(folder).filter((name) => name.includes("twice"))).toEqual([]);
  });

  test("refuses a cluster of rows that there are not", async () => {
    const writer = new ProteinStoreWriter(join(folder, "rows.proteins"));
    writer.add("a", Buffer.from("M"));
    await writer.endProteins();
    expect(() => writer.addCluster(Uint32Array.of(0, 1))).toThrow(InvalidArgumentError);
    writer.abort();
  });

  test("replaces a store when asked, and nothing else", async () => {
    const path = join(folder, "replaced.proteins");
    await write(path);
    expect(() => new ProteinStoreWriter(path)).toThrow(StorageError);
    await write(path, { overwrite: true });
    writeFileSync(join(path, "mine.txt"), "mine");
    expect(() => new ProteinStoreWriter(path, { overwrite: true })).toThrow(/mine\.txt/);
  });

  test("gives the same bytes each time", async () => {
    const path = join(folder, "again.proteins");
    await write(path);
    for (const name of readdirSync(sound)) {
      expect(readFileSync(join(path, name)).equals(readFileSync(join(sound, name))), name).toBe(
        true,
      );
    }
  });

  test("arrays are plain little-endian numbers", () => {
    const numbers = (name: string) => {
      const bytes = new Uint8Array(readFileSync(join(sound, name)));
      return [...new BigUint64Array(bytes.buffer)].map(Number);
    };
    const lengths = proteins.flatMap(([id, sequence]) => [Buffer.byteLength(id), sequence.length]);
    expect(numbers("record_offsets.u64")).toEqual(
      [0, ...lengths].map((_, i) => lengths.slice(0, i).reduce((sum, length) => sum + length, 0)),
    );
    expect(readFileSync(join(sound, "records.bin"), "utf8")).toBe(proteins.flat().join(""));
    expect(numbers("cluster_offsets.u64")).toEqual([0, 3, 3, 4, 7, 8]);
    const members = new Uint8Array(readFileSync(join(sound, "cluster_members.u32")));
    expect([...new Uint32Array(members.buffer)]).toEqual(clusters.flat());
  });
});

describe("damage", () => {
  const path = join(folder, "damaged.proteins");
  const damage = (name: string, change: (bytes: Buffer) => Uint8Array) => {
    rmSync(path, { recursive: true, force: true });
    cpSync(sound, path, { recursive: true });
    writeFileSync(join(path, name), change(readFileSync(join(path, name))));
  };
  const readAll = (access: "map" | "read") => {
    using store = ProteinStore.open(path, { access });
    for (let row = 0; row < store.length; row++) {
      store.sequence(row);
      store.indexOf(store.id(row));
    }
    const found = store.clusters;
    for (let cluster = 0; cluster < (found?.length ?? 0); cluster++) {
      for (let k = 0; k < (found?.size(cluster) ?? 0); k++) found?.memberId(cluster, k);
    }
  };
  const header = (change: (fields: Record<string, unknown>) => unknown) =>
    damage("header.json", (bytes) =>
      Buffer.from(JSON.stringify(change(JSON.parse(String(bytes))))),
    );

  test("the header cut at every byte is refused", () => {
    const whole = readFileSync(join(sound, "header.json"));
    for (let at = 0; at < whole.length - 1; at++) {
      const cut = whole.toString("utf8", 0, at);
      expect(() => decodeStoreHeader(cut, "header.json"), String(at)).toThrow(FormatError);
    }
    damage("header.json", (bytes) => bytes.subarray(0, 100));
    expect(errorOf(() => ProteinStore.open(path), FormatError).path).toContain("header.json");
  });

  test.each(Object.values(STORE_FILES))(
    "%s cut anywhere, or one byte longer, is refused with both lengths",
    (name) => {
      const { length } = readFileSync(join(sound, name));
      for (const bytes of [0, 1, length >> 1, length - 8, length - 1, length + 1]) {
        if (bytes < 0 || bytes === length) continue;
        damage(name, (whole) => Buffer.concat([whole, Buffer.alloc(1)]).subarray(0, bytes));
        const error = errorOf(() => ProteinStore.open(path), FormatError);
        expect(error.message).toContain(`expected ${length} bytes, found ${bytes}`);
        expect(error.path).toContain(name);
      }
      rmSync(join(path, name));
      expect(() => ProteinStore.open(path)).toThrow(NotFoundError);
    },
  );

  test("counts that are hostile or no counts are refused", () => {
    for (const value of [-1, 0.5, 2 ** 53, 1e300, "300", null, [], {}, true]) {
      for (const name of ["proteins", "sequenceBytes", "nameBytes"]) {
        header((fields) => ({ ...fields, [name]: value }));
        expect(() => ProteinStore.open(path), `${name} ${String(value)}`).toThrow(FormatError);
      }
      for (const name of ["homes", "slots", "longestProbe"]) {
        header((fields) => ({
          ...fields,
          nameIndex: { ...(fields["nameIndex"] as object), [name]: value },
        }));
        expect(() => ProteinStore.open(path), `${name} ${String(value)}`).toThrow(FormatError);
      }
    }
    header((fields) => ({ ...fields, proteins: 299 }));
    expect(() => ProteinStore.open(path)).toThrow(FormatError);
    header((fields) => ({ ...fields, clusters: null }));
    using store = ProteinStore.open(path);
    expect(store.clusters).toBeNull();
    header((fields) => ({ ...fields, version: 2 }));
    expect(() => ProteinStore.open(path)).toThrow(UnsupportedFeatureError);
    header(() => []);
    expect(() => ProteinStore.open(path)).toThrow(FormatError);
    expect(() => ProteinStore.open(folder)).toThrow(/expected the header of a protein store/);
  });

  test("arrays overwritten anywhere give proteins or a typed error, and --verify finds it", async () => {
    let errors = 0;
    for (const name of readdirSync(sound)) {
      if (!/\.u(32|64)$/.test(name)) continue;
      const { length } = readFileSync(join(sound, name));
      for (let at = 0; at < length; at += Math.max(4, Math.floor(length / 6))) {
        damage(name, (bytes) => bytes.fill(0xa5, at, Math.min(length, at + 4)));
        for (const access of ["map", "read"] as const) {
          try {
            readAll(access);
          } catch (error) {
            if (!isScdlError(error)) throw error;
            errors++;
          }
        }
        const { problems } = await inspectProteins(path, { verify: true });
        expect(problems, `${name} at ${at}`).toHaveLength(1);
      }
    }
    expect(errors).toBeGreaterThan(20);
  });

  test("what a sound store holds is described, and verified", async () => {
    expect(await inspectProteins(sound, { verify: true })).toMatchObject({
      kind: "store",
      proteins: 300,
      clusters: 5,
      members: 8,
      isVerified: true,
      problems: [],
    });
  });
});
