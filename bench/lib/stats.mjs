/**
 * Medians, ratios and spreads of repeated measurements.
 * It knows numbers only. Every part and the report use it.
 */

/** The middle value; of an even number the mean of the two in the middle. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The value below which the given share of all lies. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** The median of the ratios within each round: what slows a round down slows both sides of it. */
export function pairedRatio(numerators, denominators) {
  return median(numerators.map((value, round) => value / denominators[round]));
}

/** The indices 0..count rotated by the round, so that no contender is always first. */
export function rotated(count, round) {
  return Array.from({ length: count }, (_, index) => (index + round) % count);
}
