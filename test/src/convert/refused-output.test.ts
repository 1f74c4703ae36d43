import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { isScdlError } from "../../../formats/common/errors.ts";
import { convertH5ad } from "../../../src/convert/convert-h5ad.ts";
import { writeDatasetShards } from "../../../src/webdataset/write-dataset-shards.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";

const DEMO = path.resolve(import.meta.dirname, "../../../fixtures/h5ad/demo.h5ad");

/** The error of converting `input`, and what then stands beside the output. */
async function refusal(input: string, output: string, overwrite = false): Promise<unknown> {
  return convertH5ad({ inputs: [input], output, overwrite, workers: 0 }).catch(
    (error: unknown) => error,
  );
}

describe("an output that cannot be", () => {
  it("is refused before anything is written, and the input stays as it is", async () => {
    const folder = temporaryDirectory();
    const input = path.join(folder, "x.h5ad");
    fs.copyFileSync(DEMO, input);
    fs.writeFileSync(path.join(folder, "note"), "mine");
    for (const [output, code, message] of [
      [input, "already-exists", "is a file, not a data set"],
      [path.join(folder, "note"), "already-exists", "is a file, not a data set"],
      [folder, "already-exists", "files that are not part of a data set"],
      [path.join(folder, "note/out"), "no-such-file", "a part of the path is not a directory"],
      ["", "invalid-argument", "expected the name of a new directory"],
      ["/", "already-exists", "files that are not part of a data set"],
      [path.join(folder, "x".repeat(300)), "io", "the name is too long"],
    ] as const) {
      const error = await refusal(input, output, true);
      expect(isScdlError(error, code), `${output}: ${String(error)}`).toBe(true);
      expect(String(error)).toContain(message);
      expect(isScdlError(error) && error.suggestions.length, String(error)).toBeGreaterThan(0);
    }
    expect(fs.readdirSync(folder)).toEqual(["note", "x.h5ad"]);
    expect(fs.readFileSync(input).equals(fs.readFileSync(DEMO))).toBe(true);
  });

  it("may lie inside the input folder", async () => {
    const folder = temporaryDirectory();
    fs.copyFileSync(DEMO, path.join(folder, "x.h5ad"));
    const output = path.join(folder, "out");
    for (let run = 0; run < 2; run++) {
      await convertH5ad({ inputs: [folder], output, workers: 0, overwrite: true });
      expect(fs.readdirSync(folder)).toEqual(["out", "x.h5ad"]);
    }
  });
});

describe.skipIf(process.platform === "win32")("an output that is a symbolic link", () => {
  it("stays one: what it leads to is replaced", async () => {
    const folder = temporaryDirectory();
    const target = path.join(folder, "disk/cells.scdl");
    fs.mkdirSync(target, { recursive: true });
    const link = path.join(folder, "link");
    fs.symlinkSync("disk/cells.scdl", link);
    expect(await refusal(DEMO, link)).toMatchObject({ code: "already-exists" });
    expect(await refusal(DEMO, link, true)).toMatchObject({ nObs: 500, output: link });
    expect(fs.readlinkSync(link)).toBe("disk/cells.scdl");
    expect(fs.readdirSync(target)).toContain("data.npy");
    expect(fs.readdirSync(path.dirname(target))).toEqual(["cells.scdl"]);
    expect(fs.readdirSync(folder)).toEqual(["disk", "link"]);

    const shards = path.join(folder, "disk/shards");
    fs.mkdirSync(shards);
    fs.symlinkSync(shards, path.join(folder, "tars"));
    const options = { output: path.join(folder, "tars"), samplesPerShard: 500, overwrite: true };
    await writeDatasetShards(link, options);
    expect(fs.readlinkSync(options.output)).toBe(shards);
    expect(fs.readdirSync(shards)).toContain("shards.json");
  });

  it("that leads nowhere is refused by what it is", async () => {
    const folder = temporaryDirectory();
    fs.symlinkSync("gone/cells.scdl", path.join(folder, "link"));
    for (const overwrite of [false, true]) {
      const error = await refusal(DEMO, path.join(folder, "link"), overwrite);
      expect(String(error)).toContain(
        `${folder}/link: is a symbolic link to gone/cells.scdl, which does not exist`,
      );
      expect(isScdlError(error, "already-exists") && error.suggestions.length).toBe(1);
    }
    expect(fs.readdirSync(folder)).toEqual(["link"]);
  });
});

describe("an input that is no file", () => {
  it("is refused without waiting for it", async () => {
    const folder = temporaryDirectory();
    const pipe = path.join(folder, "pipe.h5ad");
    execFileSync("mkfifo", [pipe]);
    for (const [input, found] of [
      [pipe, "a named pipe"],
      ["/dev/zero", "a device"],
    ] as const) {
      const error = await refusal(input, path.join(folder, "out"));
      expect(isScdlError(error, "io"), String(error)).toBe(true);
      expect(String(error)).toContain(`${input}: expected a file, found ${found}`);
    }
    expect(fs.readdirSync(folder)).toEqual(["pipe.h5ad"]);
  });
});
