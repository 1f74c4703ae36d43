/** What is done with the data before training can begin. */
export interface PreparationProgress {
  readonly label: "reading" | "converting" | "medians";
  /** Proteins or cells. */
  readonly done: number;
  /** Null while it is not known. */
  readonly total: number | null;
}
