import { expect, test } from "vitest";
import { FormatError, NotFoundError } from "../../../formats/common/errors.ts";
import { parseVocabTxt, readVocabTxt } from "../../../formats/vocab/vocab-txt.ts";

const parse = (text: string | Uint8Array) =>
  parseVocabTxt(typeof text === "string" ? Buffer.from(text) : text, "v.txt");

test("lines end with LF, CRLF or the file", () => {
  for (const text of ["a\n<b>\nc", "a\n<b>\nc\n", "a\r\n<b>\r\nc\r\n", " a\n<b>\t\nc "]) {
    expect(parse(text)).toEqual(["a", "<b>", "c"]);
  }
});

test.each([
  ["", "a vocabulary without tokens"],
  ["a\n\nb\n", "line 2 is empty, expected a token"],
  ["a\nb\n\n", "line 3 is empty"],
  ["a\nb c\n", 'line 2: "b c" is no token, it has a space in it'],
  ["a\nb\na\n", 'line 3: token "a" is on line 1 too'],
  [Uint8Array.of(0x61, 10, 0xff), "a vocabulary is UTF-8 text, this is not"],
])("%j is refused", (text, message) => {
  expect(() => parse(text)).toThrow(FormatError);
  expect(() => parse(text)).toThrow(`v.txt: ${message}`);
});

test("a file that is not there is a NotFoundError", () => {
  expect(() => readVocabTxt("/nowhere/vocab.txt")).toThrow(NotFoundError);
});
