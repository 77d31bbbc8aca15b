// How near each table is to its next vacuum and analyze: figures over what triggers them.

/**
 * @param {Cell | undefined} figure
 * @param {Cell | undefined} threshold
 */
function share(figure, threshold) {
  if (figure === null || figure === undefined) return null
  if (threshold === null || threshold === undefined) return null
  // Fires when the figure is above the threshold, which may be zero.
  const above = Number(threshold)
  return above > 0 ? Number(figure) / above : Number(figure) > 0 ? Infinity : 0
}

/**
 * 1 is where it is due. null: does not apply.
 * @param {Row} row of the collector `tables`
 */
export function dueness(row) {
  const dead = share(row.dead_tuples, row.vacuum_threshold)
  const inserted = share(row.inserted_since_vacuum, row.insert_threshold)
  const changed = share(row.modified_since_analyze, row.analyze_threshold)
  const worst = Math.max(dead ?? 0, inserted ?? 0)
  return { dead, inserted, changed, worst, off: row.autovacuum_enabled === 0 }
}

/**
 * What the queue says of a table, in one word or two.
 * @param {Row} row
 */
export function stateOf(row) {
  const { dead, inserted, changed, off } = dueness(row)
  const due = []
  if ((dead ?? 0) > 1) due.push('dead rows')
  if ((inserted ?? 0) > 1) due.push('inserts')
  if ((changed ?? 0) > 1) due.push('analyze')
  if (due.length === 0) return off ? 'autovacuum off' : 'not due'
  return `due: ${due.join(', ')}${off ? '; autovacuum off' : ''}`
}
