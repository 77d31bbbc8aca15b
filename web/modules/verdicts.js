// What is wrong, one a line, as the server orders it; each opens into why it matters and what mends it.

import { badge, code, el, facts } from './element.js'

/** Which section shows the rows of a collector. @type {Record<string, string>} */
const shownIn = {
  statements: 'statements', client_statements: 'statements',
  blocking: 'blocking', sessions: 'blocking',
  transactions: 'transactions',
  tables: 'vacuum', vacuum_progress: 'vacuum', wraparound: 'vacuum',
  indexes: 'indexes', index_progress: 'indexes',
  server: 'nodes', nodes: 'nodes', connections: 'nodes', replication: 'nodes', replica: 'nodes',
  slots: 'nodes', pools: 'nodes', databases: 'nodes',
  shards: 'shards', moves: 'shards',
}

// The label that finds the row again, the narrowest first.
const tellers = [
  'indexrelname', 'relname', 'queryid', 'pid', 'holder', 'slot', 'application', 'name', 'collector',
  'database',
]

/**
 * Where a verdict's rows are.
 * @param {Verdict} verdict
 * @returns {Pick<Place, 'section' | 'filter'>}
 */
export function placeOf({ collector, labels }) {
  const section = shownIn[collector] ?? 'collectors'
  if (section === 'collectors') return { section, filter: collector ?? '' }
  const teller = tellers.find((name) => labels?.[name])
  return { section, filter: teller ? labels[teller] : '' }
}

/** @param {Verdict} verdict */
const keyOf = ({ rule, node, database, labels }) => JSON.stringify([rule, node, database, labels])

/** @param {number} number @param {string} one @param {string} several */
const plural = (number, one, several) => `${number} ${number === 1 ? one : several}`

/** @param {Verdict[]} verdicts */
export function headline(verdicts) {
  const number = (/** @type {Severity} */ severity) =>
    verdicts.filter((verdict) => verdict.severity === severity).length
  const parts = []
  if (number('critical') > 0) parts.push(`${number('critical')} critical`)
  if (number('warning') > 0) parts.push(plural(number('warning'), 'warning', 'warnings'))
  if (number('info') > 0) parts.push(plural(number('info'), 'note', 'notes'))
  if (parts.length > 0) return parts.join(', ')
  return verdicts.length > 0 ? 'All is well' : 'Nothing has been judged yet'
}

/** @param {{severity: Severity}[]} verdicts @returns {Severity} */
export const worst = (verdicts) =>
  /** @type {Severity[]} */ (['critical', 'warning', 'info']).find((severity) =>
    verdicts.some((verdict) => verdict.severity === severity),
  ) ?? 'ok'

/** @param {(change: Partial<Place>) => void} go */
export function verdictList(go) {
  const list = el('ul', { class: 'verdicts', 'data-list': 'verdicts' })
  const fine = el('details', { class: 'fine', hidden: true })
  const element = el('div', {}, list, fine)
  const opened = new Set()
  let shown = ''

  /** @param {Verdict} verdict */
  function line(verdict) {
    const key = keyOf(verdict)
    const where = [verdict.node, verdict.database].filter((part) => part).join(' · ')
    const place = placeOf(verdict)
    const details = el(
      'details',
      { open: opened.has(key) },
      el(
        'summary',
        {},
        badge(verdict.severity),
        el('span', { class: 'what' }, verdict.summary),
        where === '' ? null : el('span', { class: 'where' }, where),
      ),
      el(
        'div',
        { class: 'inside' },
        verdict.why ? el('p', {}, verdict.why) : null,
        verdict.mend ? code(verdict.mend) : null,
        facts([
          ['Rule', verdict.rule],
          ['Node', verdict.node],
          ['Database', verdict.database],
          ...Object.entries(verdict.labels ?? {}),
        ]),
        el('p', {}, el('button', { type: 'button', class: 'link', onclick: () => go({ ...place, open: '' }) },
          `Show in ${place.section === 'transactions' ? 'long transactions' : place.section}`)),
      ),
    )
    details.addEventListener('toggle', () => {
      if (details.open) opened.add(key)
      else opened.delete(key)
    })
    return el('li', { class: verdict.severity, 'data-rule': verdict.rule, 'data-severity': verdict.severity }, details)
  }

  return {
    element,
    /** @param {Verdict[]} verdicts */
    update(verdicts) {
      // Untouched where nothing changed: focus and marked text stay.
      if (JSON.stringify(verdicts) === shown) return
      shown = JSON.stringify(verdicts)
      const focused = document.activeElement?.closest('li[data-rule]')
      const at = focused ? [...element.querySelectorAll('li[data-rule]')].indexOf(focused) : -1
      list.replaceChildren(...verdicts.filter(({ severity }) => severity !== 'ok').map(line))
      const good = verdicts.filter(({ severity }) => severity === 'ok')
      fine.hidden = good.length === 0
      fine.replaceChildren(
        el('summary', {}, badge('ok', 'fine'), el('span', { class: 'what' }, `${plural(good.length, 'check finds', 'checks find')} nothing`)),
        el('ul', { class: 'verdicts' }, ...good.map(line)),
      )
      if (at >= 0) {
        const again = element.querySelectorAll('li[data-rule]')[at]
        again?.querySelector('summary')?.focus()
      }
    },
    /** @param {number} by */
    move(by) {
      const lines = /** @type {HTMLElement[]} */ ([...list.querySelectorAll('li > details > summary')])
      const at = lines.indexOf(/** @type {HTMLElement} */ (document.activeElement))
      const next = at < 0 ? (by > 0 ? 0 : lines.length - 1) : at + by
      lines[next]?.focus()
      lines[next]?.scrollIntoView({ block: 'nearest' })
    },
    close() {
      const open = /** @type {HTMLDetailsElement[]} */ ([...element.querySelectorAll('details[open]')])
      open.forEach((details) => (details.open = false))
      return open.length > 0
    },
  }
}
