/** What one part of `assay audit` found. A failure ends the command with exit 5; everything else is for reading. */
export interface AuditFinding {
  readonly severity: "failure" | "warning" | "note" | "silenced";
  /** One sentence: what is wrong, and with what. */
  readonly sentence: string;
  /** How to mend it, or how to accept it on purpose. */
  readonly hint?: string;
  /** What `--json` shows besides. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

export interface AuditSection {
  /** For `--json`: lower-case letters and underscores. */
  readonly id: string;
  readonly title: string;
  /** What to say when there is nothing to find. */
  readonly fine: string;
  readonly findings: readonly AuditFinding[];
  /** What `--json` shows besides, also when there is nothing to find. */
  readonly facts?: Readonly<Record<string, unknown>>;
}
