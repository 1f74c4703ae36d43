/** Names as UniRef90's: no order, none twice. */
export function nameOf(row: number): string {
  const number = (row * 40_503_001 + 7) % 36 ** 7;
  return `UniRef90_A0A${number.toString(36).toUpperCase().padStart(7, "0")}`;
}

/** The row that is read as number i: scattered, and the same in every program. */
export function rowRead(i: number, rows: number): number {
  return (i * 2_654_435_761 + 12_345) % rows;
}
