/** What rules know beside the migration. */
export interface RuleContext {
  /** Name of the newest applied migration. */
  readonly newestApplied: string | null;
}
