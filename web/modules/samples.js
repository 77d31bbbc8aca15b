// Rows of several samples put into one list.

import { unitOf } from './units.js'

/**
 * @param {Sample[]} samples
 * @returns {Placed[]}
 */
export function placed(samples) {
  return samples.flatMap(({ node, database, at, rows, rates }) =>
    rows.map((row, index) => ({ row, rates: rates?.[index] ?? null, node, database, at })),
  )
}

/**
 * The columns that say where a row comes from: only those in which rows differ.
 * @param {Sample[]} samples
 * @param {string[]} [has] columns that the rows have themselves
 * @returns {TableColumn[]}
 */
export function placeColumns(samples, has = []) {
  const differ = (/** @type {'node' | 'database'} */ name) =>
    new Set(samples.map((sample) => sample[name])).size > 1 && !has.includes(name)
  return /** @type {const} */ (['node', 'database'])
    .filter(differ)
    .map((name) => ({
      id: `at_${name}`,
      label: name === 'node' ? 'Node' : 'Database',
      value: (/** @type {Placed} */ row) => row[name],
    }))
}

/**
 * xid_age: Xid age; without the unit, which stands with the figures, where that is clear.
 * @param {string} name
 * @param {string[]} [others]
 */
export function labelOf(name, others = []) {
  const bare = name.replace(/_(bytes|seconds|ms|total)$/, '')
  const clear = others.every((other) => other === name || other.replace(/_(bytes|seconds|ms|total)$/, '') !== bare)
  const words = (clear ? bare : name).replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/**
 * A collector's columns as a table's.
 * @param {Collector} collector
 * @param {string[]} [without]
 * @returns {TableColumn[]}
 */
export function columnsOf(collector, without = []) {
  return collector.columns
    .filter(({ name }) => !without.includes(name))
    .map((column) => ({
      id: column.name,
      label: labelOf(column.name, collector.columns.map(({ name }) => name)),
      title: column.meaning,
      unit: unitOf(column),
      wide: ['query', 'definition', 'last_error', 'mend'].includes(column.name),
      value: (/** @type {Placed} */ { row }) => row[column.name] ?? null,
    }))
}

/**
 * What tells a row from all others of its collector.
 * @param {string[]} keys
 * @returns {(placed: Placed) => string}
 */
export function keyOf(keys) {
  return ({ row, node, database }) =>
    JSON.stringify([node, database, ...keys.map((name) => row[name] ?? null)])
}

/** What a filter looks at: every text. @param {Placed} placed */
export function textsOf({ row, node, database }) {
  return [node, database, ...Object.values(row).filter((value) => typeof value === 'string')]
}
