/**
 * Tests the package as shipped: packs it, installs the tarball into an empty folder, imports it and
 * runs the command there. `npm run package`, after a build. Needs the npm registry or its cache.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { type ProcessResult, REPOSITORY_ROOT, runProcess } from "../helpers/run-process.ts";

const FIXTURE = join(REPOSITORY_ROOT, "fixtures/h5ad/demo.h5ad");

let passed = 0;
let failed = 0;

async function check(name: string, body: () => Promise<void>): Promise<void> {
  try {
    await body();
    passed++;
    console.log(`ok    ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAIL  ${name}\n      ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function succeed(file: string, args: readonly string[], cwd: string): Promise<ProcessResult> {
  const result = await runProcess(file, args, { cwd });
  if (result.code !== 0) {
    throw new Error(`${file} ${args.join(" ")} ended with ${result.code}: ${result.stderr}`);
  }
  return result;
}

function expectEqual(found: unknown, expected: unknown, what: string): void {
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(
      `${what}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`,
    );
  }
}

const folder = mkdtempSync(join(tmpdir(), "scdl-pack-"));
try {
  const packed = await succeed(
    "npm",
    ["pack", "--silent", "--pack-destination", folder],
    REPOSITORY_ROOT,
  );
  const tarball = join(folder, packed.stdout.trim().split("\n").at(-1) ?? "");
  const { version } = JSON.parse(readFileSync(join(REPOSITORY_ROOT, "package.json"), "utf8"));

  await check("the tarball installs into an empty folder without its devDependencies", async () => {
    writeFileSync(
      join(folder, "package.json"),
      '{ "name": "empty", "private": true, "type": "module" }',
    );
    await succeed(
      "npm",
      ["install", "--prefer-offline", "--no-audit", "--no-fund", "--engine-strict=false", tarball],
      folder,
    );
    const installed = readdirSync(join(folder, "node_modules"));
    expectEqual(installed.includes("typescript"), false, "typescript is installed");
  });

  const bin = join(folder, "node_modules/scdl/bin/scdl.js");
  const scdl = (...args: string[]) => succeed(process.execPath, [bin, ...args], folder);

  await check(
    "it holds what it needs and neither tests, fixtures nor TypeScript sources",
    async () => {
      const top = readdirSync(join(folder, "node_modules/scdl"))
        .filter((name) => name !== "node_modules")
        .sort((a, b) => (a < b ? -1 : 1));
      expectEqual(
        top,
        [
          "CHANGELOG.md",
          "LICENSE",
          "README.md",
          "bin",
          "dist",
          "docs",
          "oclif.manifest.json",
          "package.json",
        ],
        "top level of the package",
      );
      const sources = readdirSync(join(folder, "node_modules/scdl/dist"), {
        recursive: true,
        encoding: "utf8",
      }).filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"));
      expectEqual(sources, [], "TypeScript sources in dist");
    },
  );

  await check("import gives the public names, and nothing else can be imported", async () => {
    const script =
      'import * as scdl from "scdl"; import * as testing from "scdl/testing"; let inner = "importable";' +
      'try { await import("scdl/dist/src/index.js"); } catch (error) { inner = error.code; }' +
      "console.log(JSON.stringify([typeof scdl.ScdlError, typeof testing.assertDatasetDeterministic, inner]));";
    const result = await succeed(process.execPath, ["--input-type=module", "-e", script], folder);
    expectEqual(
      JSON.parse(result.stdout),
      ["function", "function", "ERR_PACKAGE_PATH_NOT_EXPORTED"],
      "import",
    );
  });

  await check("its types check in a project that skips no library check of its own", async () => {
    writeFileSync(
      join(folder, "use.ts"),
      'import { FormatError } from "scdl";\nexport const path: string = new FormatError("x", "y", { path: "z" }).path;\n',
    );
    const tsc = join(REPOSITORY_ROOT, "node_modules/typescript/bin/tsc");
    await succeed(
      process.execPath,
      [
        tsc,
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--module",
        "nodenext",
        "--target",
        "es2024",
        "use.ts",
      ],
      folder,
    );
  });

  await check("scdl --version names the version", async () => {
    const result = await scdl("--version");
    expectEqual(result.stdout.startsWith(`scdl/${version} `), true, `"${result.stdout.trim()}"`);
  });

  await check("scdl converts and inspects a file there", async () => {
    await scdl("convert-h5ad", FIXTURE, "--output", "demo.scdl");
    const report = JSON.parse((await scdl("inspect", "demo.scdl", "--verify", "--json")).stdout);
    const source = JSON.parse((await scdl("inspect", FIXTURE, "--json")).stdout);
    expectEqual(report.problems, [], "problems");
    expectEqual(
      [report.nObs, report.nVars, report.nnz],
      [source.nObs, source.nVars, source.nnz],
      "nObs, nVars, nnz",
    );
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(
  `${relative(REPOSITORY_ROOT, import.meta.filename)}: ${passed} passed, ${failed} failed`,
);
process.exitCode = failed === 0 ? 0 : 1;
