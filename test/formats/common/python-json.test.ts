import { expect, test } from "vitest";
import { pythonJson } from "../../../formats/common/python-json.ts";

test("text is what Python's json.dumps writes", () => {
  // json.dumps(["mür/🧬.h5ad", None, 'a"b\\c\n\x7f']) and json.dumps({"num_rows": 8})
  expect(pythonJson(["mür/🧬.h5ad", null, 'a"b\\c\n\x7f'])).toBe(
    '["m\\u00fcr/\\ud83e\\uddec.h5ad", null, "a\\"b\\\\c\\n\\u007f"]',
  );
  expect(pythonJson({ num_rows: 8 })).toBe('{"num_rows": 8}');
  expect(pythonJson("0.1.3")).toBe('"0.1.3"');
  expect(pythonJson([])).toBe("[]");
});
