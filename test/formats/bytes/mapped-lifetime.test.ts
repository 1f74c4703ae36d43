import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "scdl-lifetime-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));
const mappedSource = new URL("../../../formats/bytes/mapped-source.ts", import.meta.url).href;

/** Runs in a process of its own, since what is tested for is a signal that kills it. */
function run(body: string) {
  const file = path.join(directory, "victim.bin");
  fs.writeFileSync(file, new Uint8Array(1 << 20).fill(7));
  const program = `
    import fs from "node:fs";
    import { MappedSource } from ${JSON.stringify(mappedSource)};
    const file = ${JSON.stringify(file)};
    const source = MappedSource.open(file);
    const maps = () => process.platform !== "linux" ? 0 :
      fs.readFileSync("/proc/self/maps", "utf8").split("\\n").filter((l) => l.includes(file)).length;
    ${body}`;
  const result = spawnSync(
    process.execPath,
    ["--expose-gc", "--input-type=module", "--eval", program],
    { encoding: "utf8" },
  );
  expect({ signal: result.signal, stderr: result.stderr }).toEqual({ signal: null, stderr: "" });
  return JSON.parse(result.stdout) as unknown;
}

describe("a mapped file", () => {
  it("cannot be reached by any view after close, and leaves no map behind", () => {
    const seen = run(`
      const views = [source.bytes, source.bytes.subarray(5, 50), new DataView(source.bytes.buffer),
        new Float32Array(source.bytes.buffer, 4, 100)];
      const before = [views[0].length, views[1][3], maps() > 0];
      source.close();
      gc();
      let dataView = "";
      try { views[2].getUint8(0); } catch (error) { dataView = error.name; }
      let set = "";
      try { new Uint8Array(64).set(views[1]); } catch (error) { set = error.name; }
      console.log(JSON.stringify({ before, lengths: [views[0].length, views[1].length, views[3].length],
        element: views[0][100] ?? null, dataView, set, maps: maps() }));`);
    expect(seen).toEqual({
      before: [1 << 20, 7, process.platform === "linux"],
      lengths: [0, 0, 0],
      element: null,
      dataView: "TypeError",
      set: "TypeError",
      maps: 0,
    });
  });

  it("that shrank gives an error instead of a SIGBUS", () => {
    const seen = run(`
      const mapped = source.bytes.length;
      fs.truncateSync(file, 10);
      const codes = [];
      for (const action of [() => source.check(), () => source.readInto(0, new Uint8Array(8)),
        () => source.readInto(500000, new Uint8Array(8))]) {
        try { action(); codes.push("none"); } catch (error) { codes.push(error.code); }
      }
      source.close();
      console.log(JSON.stringify([mapped, ...codes]));`);
    expect(seen).toEqual([1 << 20, "file-changed", "file-changed", "file-changed"]);
  });

  it("opened and closed a thousand times leaves no map and no descriptor", () => {
    const seen = run(`
      source.readInto(0, new Uint8Array(source.bytes[0]));
      source.close();
      const descriptors = () => process.platform === "linux" ? fs.readdirSync("/proc/self/fd").length : 0;
      const before = descriptors();
      for (let i = 0; i < 1000; i++) {
        const again = MappedSource.open(file);
        again.readInto(i, new Uint8Array(again.bytes[i]));
        again.close();
      }
      console.log(JSON.stringify({ maps: maps(), more: descriptors() - before }));`);
    expect(seen).toEqual({ maps: 0, more: 0 });
  });
});
