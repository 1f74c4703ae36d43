import fs from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import {
  InvalidArgumentError,
  NotFoundError,
  UnsupportedFeatureError,
} from "../../../formats/common/errors.ts";
import {
  comparePaths,
  expandInputs,
  posixPath,
  repeatedInputs,
} from "../../../src/convert/input-files.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";

function folderWith(...names: string[]): string {
  const root = temporaryDirectory();
  for (const name of names) {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    fs.writeFileSync(path.join(root, name), "");
  }
  return root;
}

describe("the inputs of a conversion", () => {
  it("are the h5ad files of a folder at any depth, sorted as pathlib sorts", () => {
    const root = folderWith("b.h5ad", "a/z.h5ad", "a-b/c.h5ad", "a.txt", "a/B.h5ad", "x.h5");
    expect(expandInputs([root]).map((file) => path.relative(root, file))).toEqual([
      "a/B.h5ad",
      "a/z.h5ad",
      "a-b/c.h5ad",
      "b.h5ad",
    ]);
  });

  it("keep files as they were named, in that order, whatever their extension", () => {
    const root = folderWith("b.h5", "a.h5ad");
    const files = [`${root}/./b.h5`, `${root}//a.h5ad`];
    expect(expandInputs(files)).toEqual(files);
  });

  it("sort by code point, not by UTF-16 unit", () => {
    expect(comparePaths("\u{ff5e}.h5ad", "\u{1f9ec}.h5ad")).toBeLessThan(0);
    expect(comparePaths("a", "a/b")).toBeLessThan(0);
  });

  it("are labelled as pathlib writes them", () => {
    expect(["./x", "x//y/", "/a/./b", "a/../b", "."].map(posixPath)).toEqual([
      "x",
      "x/y",
      "/a/b",
      "a/../b",
      ".",
    ]);
  });

  it("must exist and hold something", () => {
    expect(() => expandInputs([])).toThrow(InvalidArgumentError);
    expect(() => expandInputs(["/nowhere/x.h5ad"])).toThrow(NotFoundError);
    const root = folderWith("a.txt");
    expect(() => expandInputs([root])).toThrow("no *.h5ad file in this folder");
    expect(() => expandInputs([""])).toThrow(InvalidArgumentError);
    expect(() => expandInputs([path.join(root, "a.txt/x.h5ad")])).toThrow("not a directory");
  });

  it("may be a folder with links in circles, which are not followed", () => {
    const root = folderWith("a/x.h5ad");
    fs.symlinkSync("..", path.join(root, "a/up"));
    fs.symlinkSync("../a", path.join(root, "a/self"));
    expect(expandInputs([root])).toEqual([path.join(root, "a/x.h5ad")]);
  });

  it("keep links that lead nowhere, so that no cell is left out in silence", () => {
    const root = folderWith();
    fs.symlinkSync("gone.h5ad", path.join(root, "broken.h5ad"));
    fs.symlinkSync("loop.h5ad", path.join(root, "loop.h5ad"));
    expect(expandInputs([root]).map((file) => path.basename(file))).toEqual([
      "broken.h5ad",
      "loop.h5ad",
    ]);
    expect(() => expandInputs([path.join(root, "loop.h5ad")])).toThrow("leads to itself");
  });

  it("that are a zarr store are called that", () => {
    expect(() => expandInputs([folderWith("x.zarr/.zgroup")])).toThrow(
      expect.objectContaining({ suggestions: [expect.stringContaining("any extension")] }),
    );
    const root = folderWith("x.zarr/.zgroup");
    expect(() => expandInputs([path.join(root, "x.zarr")])).toThrow(
      expect.objectContaining({ suggestions: [expect.stringContaining("zarr store as h5ad")] }),
    );
  });

  it("are told apart from files named before, links followed", () => {
    const root = folderWith("a.h5ad", "b.h5ad", "sub/a.h5ad");
    fs.symlinkSync("a.h5ad", path.join(root, "link.h5ad"));
    fs.symlinkSync("gone", path.join(root, "nowhere.h5ad"));
    const given = ["b.h5ad", "a.h5ad", "nowhere.h5ad", "sub/../a.h5ad", "sub/a.h5ad", "link.h5ad"];
    const paths = given.map((name) => `${root}/${name}`);
    expect(repeatedInputs(paths)).toEqual([`${root}/sub/../a.h5ad`, `${root}/link.h5ad`]);
  });

  it("must have names that are UTF-8", () => {
    const root = temporaryDirectory();
    fs.writeFileSync(
      Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xe9]), Buffer.from(".h5ad")]),
      "",
    );
    expect(() => expandInputs([root])).toThrow(UnsupportedFeatureError);
    expect(() => expandInputs([root])).toThrow('the name "é.h5ad" (read as latin-1) is not UTF-8');
  });
});
