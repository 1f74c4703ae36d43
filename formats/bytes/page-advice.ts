/** What the operating system may be told about the pages of a file. Offsets and lengths in bytes. */
export interface PageAdvice {
  /** Reads will be scattered: do not read ahead. */
  random(): void;
  /** Starts reading the range into the page cache and returns at once. */
  willNeed(offset: number, count: number): void;
  /** Reads the whole file into the page cache and maps it; false where the system cannot. */
  populate(): boolean;
  /**
   * Whether the page that holds `offset` is in memory, or null where the system does not say.
   * Linux tells only an owner or writer of the file.
   */
  isResident(offset: number): boolean | null;
}
