import { expect, test } from "vitest";
import { OPERATORS } from "../../../src/tensor/torch/operators.ts";
import { parseSchema } from "../../../src/tensor/torch/schema.ts";
import { compatibleSchema, verifyOperators } from "../../../src/tensor/torch/verified-operators.ts";
import { LIBTORCH } from "./torch.fixture.ts";

const texts = (...schemas: string[]) => Buffer.from(`\0${schemas.join("\0")}\0`);

test("a schema gives types without lengths and alias marks", () => {
  expect(
    parseSchema("sum.dim(Tensor(a!)[] self, SymInt[1]? dim, bool k=False, *, float e=1e-5) -> ()"),
  ).toEqual({
    name: "sum",
    overload: "dim",
    arguments: [
      { type: "Tensor[]", name: "self", standard: undefined },
      { type: "int[]?", name: "dim", standard: undefined },
      { type: "bool", name: "k", standard: "False" },
      { type: "float", name: "e", standard: "1e-5" },
    ],
    returns: [],
  });
  expect(parseSchema(OPERATORS.flashAttention).returns.join()).toBe(
    "Tensor,Tensor,Tensor,Tensor,int,int,Tensor,Tensor,Tensor",
  );
  expect(() => parseSchema("mm(): shapes differ")).toThrow("not the schema of an operator");
});

test("an argument more with a default is given its default", () => {
  const grown = "dot(Tensor self, Tensor tensor, *, int? threads=None) -> Tensor";
  const others = ["dot(): expected vectors", "vdot(Tensor self, Tensor other) -> Tensor"];
  const found = compatibleSchema(OPERATORS.dot, texts(...others, grown), "2.99");
  expect(found.arguments.map(({ name }) => name)).toEqual(["self", "tensor", "threads"]);
});

test.each([
  ["missing", "mm(Tensor self, Tensor mat2) -> Tensor", "found no such operator"],
  ["of another type", "dot(Tensor self, Scalar tensor) -> Tensor", "found dot(Tensor self, Scalar"],
  ["with other names", "dot(Tensor tensor, Tensor self) -> Tensor", "found dot(Tensor tensor"],
  ["shorter", "dot(Tensor self) -> Tensor", "found dot(Tensor self) -> Tensor"],
  ["with another result", "dot(Tensor self, Tensor tensor) -> Tensor[]", "found dot("],
  ["with an argument more", "dot(Tensor self, Tensor tensor, int n) -> Tensor", "found dot("],
])("an operator that is %s is an error that says what was found", (_, text, message) => {
  const check = () => compatibleSchema(OPERATORS.dot, texts(text), "2.99");
  expect(check).toThrow(`libtorch 2.99: expected the operator ${OPERATORS.dot}, ${message}`);
});

test.skipIf(LIBTORCH === null)("the installed libtorch has every operator", () => {
  const { directory, version } = LIBTORCH as NonNullable<typeof LIBTORCH>; // proof: not skipped
  const verified = verifyOperators(directory, version);
  expect(Object.keys(verified)).toEqual(Object.keys(OPERATORS));
});
