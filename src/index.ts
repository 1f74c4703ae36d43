import "./require-node.ts";

export * from "../formats/common/errors.ts";
