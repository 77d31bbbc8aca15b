// Arithmetic over series of points, which need not have their points at the same times.

/**
 * As uPlot wants them: all times once, in seconds, and each series' values there. null is a gap;
 * undefined is a time that only others have, over which a line goes on.
 * @param {Point[][]} series
 * @returns {[number[], ...(number | null | undefined)[][]]}
 */
export function joined(series) {
  const times = [...new Set(series.flatMap((points) => points.map(([at]) => at)))].sort(
    (a, b) => a - b,
  )
  const values = series.map((points) => {
    const by = new Map(points)
    return times.map((at) => (by.has(at) ? by.get(at) : undefined))
  })
  return [times.map((at) => at / 1000), ...values]
}

/**
 * Point by point, where both are known and the divisor is not zero; otherwise a gap.
 * @param {Point[]} above
 * @param {Point[]} below
 * @returns {Point[]}
 */
export function quotient(above, below) {
  const divisors = new Map(below)
  return above.map(([at, value]) => {
    const divisor = divisors.get(at)
    return [at, value === null || !divisor ? null : value / divisor]
  })
}

/**
 * The sum at each time that any of them has; a gap where all that stand there are gaps.
 * @param {Point[][]} series
 * @returns {Point[]}
 */
export function total(series) {
  /** @type {Map<number, number | null>} */
  const sums = new Map()
  for (const points of series) {
    for (const [at, value] of points) {
      const sum = sums.get(at) ?? null
      sums.set(at, value === null ? sum : (sum ?? 0) + value)
    }
  }
  return [...sums].sort(([a], [b]) => a - b)
}

/**
 * Each series on top of those before it; a gap counts as nothing, unless all are gaps there.
 * @param {(number | null | undefined)[][]} values of equal length
 * @returns {(number | null)[][]}
 */
export function stacked(values) {
  if (values.length === 0) return []
  /** @type {(number | null)[]} */
  const sums = values[0].map((_, at) => (values.every((one) => one[at] == null) ? null : 0))
  return values.map((one) => {
    one.forEach((value, at) => {
      const sum = sums[at]
      if (sum !== null) sums[at] = sum + (value ?? 0)
    })
    return [...sums]
  })
}

/** The newest value that is known. @param {Point[]} points */
export function newest(points) {
  for (let at = points.length - 1; at >= 0; --at) {
    const value = points[at][1]
    if (value !== null) return value
  }
  return null
}

/** @param {Point[]} points */
export const isKnown = (points) => points.some(([, value]) => value !== null)

/**
 * The series with the largest newest values, largest first; the others together under a name.
 * @param {{label: string, points: Point[]}[]} series
 * @param {number} most
 * @param {string} others
 */
export function largest(series, most, others) {
  const order = [...series].sort(
    (a, b) => (newest(b.points) ?? -1) - (newest(a.points) ?? -1) || (a.label < b.label ? -1 : 1),
  )
  if (order.length <= most) return order
  return [
    ...order.slice(0, most - 1),
    { label: others, points: total(order.slice(most - 1).map(({ points }) => points)) },
  ]
}
