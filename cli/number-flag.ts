import { custom } from "@oclif/core/flags";
import { InvalidArgumentError } from "../formats/common/errors.ts";

/** A flag of a number that need not be whole: `--lr 4e-4`. */
export const number = custom<number>({
  helpValue: "<number>",
  parse: async (text, _context, { name }) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isFinite(value)) return value;
    throw new InvalidArgumentError(name, text, `--${name}: expected a number, found "${text}"`);
  },
});
