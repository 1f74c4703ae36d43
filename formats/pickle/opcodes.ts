/** Names of the pickle opcodes that are refused, for the error. */
export const REFUSED_OPCODES: Readonly<Record<number, string>> = {
  80: "PERSID",
  81: "BINPERSID",
  83: "STRING",
  105: "INST",
  111: "OBJ",
  129: "NEWOBJ",
  130: "EXT1",
  131: "EXT2",
  132: "EXT4",
  146: "NEWOBJ_EX",
  151: "NEXT_BUFFER",
  152: "READONLY_BUFFER",
};

export const MARK = Symbol("pickle mark");
/** An opcode that pushes no value. */
export const NOTHING = Symbol("nothing");
