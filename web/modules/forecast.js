// A straight line through what a series was, and where it leads.

export const day = 86_400_000

/**
 * Least squares over the points that are known; null where they are fewer than three or of one
 * time.
 * @param {Point[]} points
 * @returns {{perDay: number, at: (time: number) => number} | null}
 */
export function straightLine(points) {
  const known = /** @type {[number, number][]} */ (points.filter(([, value]) => value !== null))
  if (known.length < 3) return null
  // Around the means: times since 1970 squared would leave no digits for the values.
  const time = known.reduce((sum, [at]) => sum + at, 0) / known.length
  const mean = known.reduce((sum, [, value]) => sum + value, 0) / known.length
  let together = 0
  let alone = 0
  for (const [at, value] of known) {
    together += (at - time) * (value - mean)
    alone += (at - time) ** 2
  }
  if (alone === 0) return null
  const slope = together / alone
  return { perDay: slope * day, at: (when) => mean + slope * (when - time) }
}

/**
 * When a line reaches a limit, ms since 1970; null where it does not, or not within ten years.
 * @param {{perDay: number, at: (time: number) => number}} line
 * @param {number} limit
 * @param {number} now
 */
export function reaches(line, limit, now) {
  if (line.at(now) >= limit) return now
  if (line.perDay <= 0) return null
  const when = now + ((limit - line.at(now)) / line.perDay) * day
  return when - now > 3650 * day ? null : when
}
