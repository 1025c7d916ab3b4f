/** Names in a row; of very many the first ones. */
export function listNames(all: readonly string[], shown: number): string {
  const more = all.length - shown;
  return more > 0 ? `${all.slice(0, shown).join(", ")} and ${more} more` : all.join(", ");
}

export function amount(number: number): string {
  return number === 1 ? "1 migration" : `${number} migrations`;
}
