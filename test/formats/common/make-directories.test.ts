import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeDirectories } from "../../../formats/common/make-directories.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";

test("directories that are missing are made, those that are there stay", () => {
  const folder = temporaryDirectory();
  const deep = join(folder, "a", "b", "c");
  makeDirectories(deep);
  expect(statSync(deep).isDirectory()).toBe(true);
  mkdirSync(join(deep, "kept"));
  makeDirectories(deep);
  makeDirectories(`${deep}/`);
  expect(existsSync(join(deep, "kept"))).toBe(true);
});

test("a file in the way is an error", () => {
  const file = join(temporaryDirectory(), "a");
  writeFileSync(file, "");
  expect(() => makeDirectories(file)).toThrow("EEXIST");
  expect(() => makeDirectories(join(file, "b"))).toThrow("ENOTDIR");
});

// Node's own recursive mkdir does not end there.
test.skipIf(!existsSync("/proc/self"))("where nothing can be made is an error", () => {
  expect(() => makeDirectories("/proc/none/at/all")).toThrow("ENOENT");
});
