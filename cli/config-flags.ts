/** `--config` and `--set`, and the flags of a command as values of a configuration. */
import { string } from "@oclif/core/flags";
import { InvalidArgumentError } from "../formats/common/errors.ts";
import type { RunModel } from "../src/train/config/run-kinds.ts";
import type { RunConfig } from "../src/train/config/sections.ts";

const CONFIG = { helpGroup: "CONFIGURATION" };

export const CONFIG_FLAGS = {
  config: string({
    ...CONFIG,
    summary: "YAML or JSON file of a run: `scdl recipe` writes some, runs keep theirs.",
  }),
  set: string({
    ...CONFIG,
    multiple: true,
    helpValue: "KEY=VALUE",
    summary: "Values over those of the file, e.g. optim_config.lr=1e-3.",
  }),
};

/** What a flag is in a configuration: a key, or several with their values. */
export type FlagKey = string | ((value: unknown) => Readonly<Record<string, unknown>>);

export interface ParsedFlags {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly metadata: {
    readonly flags: Readonly<Record<string, { readonly setFromDefault?: boolean } | undefined>>;
  };
}

/** What the user said a value with: the flag where it was given, else the key of file and `--set`. */
export function flagOrKey({ flags, metadata }: ParsedFlags, flag: string, key: string): string {
  const isGiven = flags[flag] !== undefined && metadata.flags[flag]?.setFromDefault !== true;
  return isGiven ? `--${flag}` : key;
}

/**
 * The configuration that a command line asks for: the file, and over it the flags that were given and
 * the values of `--set`, of which none wins over the other.
 * @throws InvalidArgumentError for a flag and a `--set` that differ; as `loadRunConfig()`
 */
export async function commandConfig(
  model: RunModel,
  { flags, metadata }: ParsedFlags,
  options: {
    readonly keys: Readonly<Record<string, FlagKey>>;
    readonly onWarning: (message: string) => void;
  },
): Promise<RunConfig> {
  const { loadRunConfig } = await import("../src/train/config/run-config.ts");
  const { thisMachine } = await import("../src/train/config/check-machine.ts");
  const { parseSetting } = await import("../src/train/config/set-values.ts");
  const names: Record<string, string> = {};
  const overrides: Record<string, unknown> = {};
  for (const [flag, key] of Object.entries(options.keys)) {
    if (typeof key === "string") names[key] = `--${flag}`;
  }
  for (const [flag, key] of Object.entries(options.keys)) {
    const value = flags[flag];
    if (value === undefined || metadata.flags[flag]?.setFromDefault === true) continue;
    const values = typeof key === "string" ? { [key]: value } : key(value);
    for (const name of Object.keys(values)) names[name] = `--${flag}`;
    Object.assign(overrides, values);
  }
  const settings: unknown = flags["set"] ?? [];
  for (const setting of Array.isArray(settings) ? settings : []) {
    const [key, value] = parseSetting(String(setting));
    if (names[key] !== undefined && Object.hasOwn(overrides, key)) {
      if (
        JSON.stringify(overrides[key]) !== JSON.stringify(value) &&
        `${overrides[key]}` !== `${value}`
      ) {
        const message = `${names[key]} and --set ${setting} are different`;
        throw new InvalidArgumentError(key, value, message, { suggestions: ["give one of them"] });
      }
    }
    overrides[key] = value;
    delete names[key];
  }
  const { config: path } = flags;
  return loadRunConfig({
    model,
    ...(typeof path === "string" ? { path } : {}),
    overrides,
    names,
    machine: thisMachine(),
    onWarning: options.onWarning,
  });
}
