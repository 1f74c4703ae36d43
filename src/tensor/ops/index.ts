/** The operations of a program. Each checks shapes and dtypes when it is called. */
export * from "./attention.ts";
export * from "./elementwise.ts";
export * from "./linear.ts";
export * from "./loss.ts";
export * from "./shape.ts";
