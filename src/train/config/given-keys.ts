import type { RunConfig, RunConfigKey } from "./sections.ts";

const GIVEN = new WeakMap<RunConfig, ReadonlySet<string>>();

/** Remembers which keys of a configuration a file or a command line has said. */
export function rememberGiven(config: RunConfig, keys: ReadonlySet<string>): RunConfig {
  GIVEN.set(config, keys);
  return config;
}

/** Whether a value is a default that nobody has said. Unknown of configurations made elsewhere: false. */
export function isDefault(config: RunConfig, key: RunConfigKey): boolean {
  return GIVEN.get(config)?.has(key) === false;
}
