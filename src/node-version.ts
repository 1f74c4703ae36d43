/** The oldest Node this package runs on: zlib.crc32 and views over 4 GiB, among others. */
export const MINIMUM_NODE_VERSION = "22.15";

/**
 * One line that says why this Node cannot run the package, or null when it can.
 *
 * This module must stay loadable by any Node that knows ES modules: no imports, no new syntax.
 *
 * @param version as in `process.versions.node`, e.g. "20.20.2"
 */
export function unsupportedNodeMessage(version: string): string | null {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [neededMajor = 0, neededMinor = 0] = MINIMUM_NODE_VERSION.split(".").map(Number);
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) return null;
  return `scdl needs Node ${MINIMUM_NODE_VERSION} or newer; this is Node ${version}. Install a newer Node, or in a project run "npm install node@24" and start it with "npx".`;
}
