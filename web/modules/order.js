// How rows are ordered and which of them a filter lets through.

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' })

/**
 * What is not known comes last, whichever way the rest is ordered.
 * @param {Cell} one
 * @param {Cell} other
 * @param {boolean} descending
 */
export function compare(one, other, descending) {
  const missing = (/** @type {Cell} */ value) => value === null || value === undefined
  if (missing(one) || missing(other)) return Number(missing(one)) - Number(missing(other))
  const order =
    typeof one === 'number' && typeof other === 'number'
      ? one - other
      : collator.compare(String(one), String(other))
  return descending ? -order : order
}

/**
 * Equal rows keep their order.
 * @template T
 * @param {T[]} rows
 * @param {(row: T) => Cell} value
 * @param {boolean} descending
 */
export function sorted(rows, value, descending) {
  return rows
    .map((row, index) => ({ row, index, cell: value(row) }))
    .sort((one, other) => compare(one.cell, other.cell, descending) || one.index - other.index)
    .map(({ row }) => row)
}

/**
 * Whether all words of a filter stand somewhere in the texts, in any case; "-word" must not.
 * @param {string} filter
 * @param {(Cell | undefined)[]} texts
 */
export function matches(filter, texts) {
  const words = filter.toLowerCase().split(/\s+/).filter((word) => word !== '' && word !== '-')
  if (words.length === 0) return true
  const whole = texts
    .filter((text) => text !== null && text !== undefined)
    .join('\n')
    .toLowerCase()
  return words.every((word) =>
    word.startsWith('-') ? !whole.includes(word.slice(1)) : whole.includes(word),
  )
}
