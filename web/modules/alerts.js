// The rules that hold, or held a short while ago.

import { badge, code, el, facts } from './element.js'
import { dataTable } from './table.js'
import { ago, moment } from './units.js'

const rank = { critical: 3, warning: 2, info: 1, ok: 0 }
const stage = { firing: 2, pending: 1, resolved: 0 }

/** @param {Alert} alert */
const labelsOf = ({ labels }) =>
  Object.entries(labels ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')

/** @param {Alert} alert */
const quiet = ({ silenced, inhibited }) =>
  [silenced ? 'silenced' : '', inhibited ? 'inhibited' : ''].filter((word) => word !== '').join(', ')

/** @type {App} */
let app

const table = dataTable({
  id: 'alerts',
  title: 'Alerts',
  empty: 'No alert: no rule holds.',
  sort: 'order',
  key: (alert) => JSON.stringify([alert.rule, alert.severity, alert.labels]),
  texts: (alert) => [alert.rule, alert.state, alert.severity, alert.summary, labelsOf(alert)],
  mark: (alert) => (alert.state === 'firing' ? alert.severity : ''),
  columns: [
    { id: 'rule', label: 'Rule', value: (alert) => alert.rule },
    {
      id: 'order', label: 'Severity',
      value: (/** @type {Alert} */ alert) => stage[alert.state] * 10 + (rank[alert.severity] ?? 0),
      render: (alert) => badge(alert.severity),
    },
    {
      id: 'state', label: 'State', value: (alert) => alert.state,
      render: (alert) => [alert.state, quiet(alert)].filter((word) => word !== '').join(', '),
    },
    { id: 'since', label: 'Since', value: (alert) => alert.since, render: (alert) => ago(alert.since, app.now()) },
    { id: 'summary', label: 'Summary', value: (alert) => alert.summary },
    { id: 'labels', label: 'Labels', value: labelsOf, wide: true },
  ],
  detail: (/** @type {Alert} */ alert) =>
    el('div', {}, el('p', {}, alert.summary), alert.mend ? code(alert.mend) : null,
      facts([['Since', moment(alert.since)], ...Object.entries(alert.labels ?? {})])),
})

/** @type {Section} */
export const alerts = {
  id: 'alerts',
  title: 'Alerts',
  key: 'a',
  mount(container, owner) {
    app = owner
    container.append(
      el('p', { class: 'about' }, 'Rules that hold. A pending one has not held for long enough to be told.'),
      table.element,
    )
  },
  async refresh() {
    table.update(await app.api.alerts())
  },
  tables: () => [table],
  filter: (text) => table.filter(text),
  close: () => table.close(),
}
