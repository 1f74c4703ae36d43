import { parse } from "yaml";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";

/**
 * Key and value of `a.b=c`. The value is text, which fields convert; null, true, false, quoted text
 * and lists are read as YAML.
 * @throws InvalidArgumentError
 */
export function parseSetting(setting: string): [key: string, value: unknown] {
  const at = setting.indexOf("=");
  const [key, text] = [setting.slice(0, at).trim(), setting.slice(at + 1)];
  if (at > 0 && /^[\w.]+$/.test(key)) return [key, settingValue(key, text)];
  throw new InvalidArgumentError("set", setting, `--set ${setting}: expected KEY=VALUE`, {
    suggestions: ["--set optim_config.lr=4e-4"],
  });
}

function settingValue(key: string, text: string): unknown {
  if (!/^(\[.*\]|\{.*\}|".*"|'.*'|null|true|false)$/s.test(text)) return text;
  try {
    return parse(text);
  } catch (error) {
    const message = `--set ${key}=${text}: expected YAML`;
    throw new InvalidArgumentError("set", text, message, { cause: error });
  }
}
