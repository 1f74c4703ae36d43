/** Fields that transformers takes as floats alone. */
const FLOATS = /^( {2}"(?:\w*dropout\w*|\w+_range|\w+_eps|rope_theta)": -?\d+)(,?)$/gm;

/**
 * `config.json` as transformers reads it. It tells 0 from 0.0: rates and widths are written with a
 * point, which JSON.stringify leaves out.
 */
export function modelConfigText(config: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify(config, null, 2)}\n`.replace(FLOATS, "$1.0$2");
}
