import { createRequire } from "node:module";

/** The version of this package. */
export function packageVersion(): string {
  const found: unknown = createRequire(import.meta.url)("scdl/package.json");
  const isPackage = typeof found === "object" && found !== null && "version" in found;
  return isPackage ? String(found.version) : "unknown";
}

/** What a run depends on besides its options. */
export function versionsOf(executor: string): Readonly<Record<string, string>> {
  return { scdl: packageVersion(), node: process.version, executor };
}
