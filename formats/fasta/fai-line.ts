/** One line of an index: name, length, offset, residues a line, bytes a line, in FASTQ qualities. */

const TAB = 9;
const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
/** Digits that always are an exact number. */
const MAX_DIGITS = 15;

/** What a line says; one object is used for many lines. */
export class FaiLine {
  /** The text of the index, for as long as the line is used. */
  text: Uint8Array = new Uint8Array(0);
  nameBegin = 0;
  nameEnd = 0;
  /** Residues. */
  length = 0;
  /** Byte of the first residue. */
  offset = 0;
  lineBases = 0;
  lineBytes = 0;
  /** 0 in FASTA. */
  qualitiesOffset = 0;
  /** Numbers on the line. */
  columns = 0;
  /** Where the next line begins. */
  end = 0;

  /** Reads the line at `begin`. @returns what was expected where it is no such line, or null */
  parse(bytes: Uint8Array, begin: number): string | null {
    const limit = bytes.length;
    let at = begin;
    while (at < limit && bytes[at] !== TAB && bytes[at] !== NEWLINE) at++;
    this.text = bytes;
    this.nameBegin = begin;
    this.nameEnd = at;
    this.columns = 0;
    this.qualitiesOffset = 0;
    while (at < limit && bytes[at] === TAB) {
      const first = at + 1;
      let value = 0;
      for (at = first; at < limit; at++) {
        const digit = (bytes[at] as number) - 48;
        if (digit < 0 || digit > 9) break;
        value = value * 10 + digit;
      }
      if (at === first) return `a number in column ${this.columns + 2}`;
      if (at - first > MAX_DIGITS) return `a number below 10^15 in column ${this.columns + 2}`;
      this.#set(this.columns++, value);
    }
    if (at < limit && bytes[at] === CARRIAGE_RETURN) at++;
    if (at < limit && bytes[at] !== NEWLINE) return "numbers with tabs between them";
    this.end = at + 1;
    if (this.columns !== 4 && this.columns !== 5) {
      return "a name and four numbers (FASTA) or five (FASTQ)";
    }
    return null;
  }

  /** Whether `bytes[begin, end)` is the name. */
  isNamed(bytes: Uint8Array, begin: number, end: number): boolean {
    if (end - begin !== this.nameEnd - this.nameBegin) return false;
    for (let i = 0; i < end - begin; i++) {
      if (bytes[begin + i] !== this.text[this.nameBegin + i]) return false;
    }
    return true;
  }

  /** Byte behind all that belongs to the record, the last line feed left out. */
  get recordEnd(): number {
    return this.columns === 5 ? this.endOf(this.qualitiesOffset) : this.sequenceEnd;
  }

  /** Byte behind the last residue. */
  get sequenceEnd(): number {
    return this.endOf(this.offset);
  }

  /** Byte behind the last of `length` residues or qualities that begin at `offset`. */
  endOf(offset: number): number {
    const last = this.length - 1;
    if (last < 0) return offset;
    const line = Math.floor(last / this.lineBases);
    return offset + line * this.lineBytes + (last - line * this.lineBases) + 1;
  }

  #set(column: number, value: number): void {
    if (column === 0) this.length = value;
    else if (column === 1) this.offset = value;
    else if (column === 2) this.lineBases = value;
    else if (column === 3) this.lineBytes = value;
    else this.qualitiesOffset = value;
  }
}
