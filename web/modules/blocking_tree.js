// Who waits for whom, from the rows of the collector `blocking`.

/**
 * A row of the tree, in the order in which it is shown. A backend stands once, under the first of
 * those it waits for; the others are named. Backends that wait for each other in a circle hang
 * under the one of them with the lowest pid.
 * @typedef {{row: Row, pid: string, depth: number, guides: boolean[], last: boolean,
 *            others: string[], circle: boolean}} Branch
 */

/** @param {Cell} list */
const pidsOf = (list) =>
  String(list ?? '')
    .split(',')
    .map((pid) => pid.trim())
    .filter((pid) => pid !== '')

/**
 * @param {Row[]} rows
 * @returns {Branch[]}
 */
export function blockingTree(rows) {
  const byPid = new Map(rows.map((row) => [String(row.pid), row]))
  /** @type {Map<string, string[]>} */
  const waiters = new Map()
  /** @type {string[]} */
  const roots = []
  for (const [pid, row] of byPid) {
    const parent = pidsOf(row.blocked_by).find((blocker) => blocker !== pid && byPid.has(blocker))
    if (parent === undefined) roots.push(pid)
    else waiters.set(parent, [...(waiters.get(parent) ?? []), pid])
  }

  const number = (/** @type {string} */ pid, /** @type {string} */ column) =>
    Number(byPid.get(pid)?.[column] ?? 0)
  const worstFirst = (/** @type {string} */ column) => (/** @type {string} */ a, /** @type {string} */ b) =>
    number(b, column) - number(a, column) || Number(a) - Number(b)

  /** @type {Branch[]} */
  const branches = []
  const seen = new Set()
  /**
   * @param {string} pid
   * @param {boolean[]} guides
   * @param {boolean} last
   * @param {boolean} circle
   */
  const add = (pid, guides, last, circle) => {
    seen.add(pid)
    const row = /** @type {Row} */ (byPid.get(pid))
    const [, ...others] = pidsOf(row.blocked_by)
    branches.push({ row, pid, depth: guides.length, guides, last, others, circle })
    const below = (waiters.get(pid) ?? [])
      .filter((waiter) => !seen.has(waiter))
      .sort(worstFirst('waiting_seconds'))
    below.forEach((waiter, index) =>
      add(waiter, [...guides, !last], index === below.length - 1, false),
    )
  }
  for (const pid of roots.sort(worstFirst('blocks'))) add(pid, [], true, false)
  // What no root leads to waits in a circle.
  for (const pid of [...byPid.keys()].sort((a, b) => Number(a) - Number(b))) {
    if (!seen.has(pid)) add(pid, [], true, true)
  }
  return branches
}
