// A statement that was opened: its whole text, what it did over the range, and its plan.

import { chart } from './chart.js'
import { code, el, facts } from './element.js'
import { ranges } from './location.js'
import { isKnown, quotient, total } from './series.js'
import { bytes, count, milliseconds, number, percent } from './units.js'

/**
 * @param {App} app
 * @param {Placed} placed a row of the collector `statements`
 */
export function statementDetail(app, { row, node, database }) {
  const charts = {
    calls: chart({ id: 'statement-calls', title: 'Calls', sync: 'statement' }),
    mean: chart({ id: 'statement-mean', title: 'Mean time', sync: 'statement' }),
    rows: chart({ id: 'statement-rows', title: 'Rows', sync: 'statement' }),
  }
  const plan = el('div', { class: 'plan', 'data-state': 'waiting' }, el('p', { class: 'empty' }, 'Reading the plan…'))
  const callers = el('p', { class: 'callers', 'data-state': 'waiting' })
  const range = app.place().range
  const element = el(
    'div',
    { class: 'statement' },
    code(String(row.query ?? '')),
    facts([
      ['Query id', String(row.queryid ?? '')],
      ['Node', node],
      ['Database', database],
      ['User', String(row.user ?? '')],
      ['Calls', count(row.calls)],
      ['Mean', `${milliseconds(row.mean_exec_time)} ± ${milliseconds(row.stddev_exec_time)}`],
      ['Least, longest', `${milliseconds(row.min_exec_time)}, ${milliseconds(row.max_exec_time)}`],
      ['Rows', count(row.rows)],
      ['From cache', percent(row.hit_percent)],
      ['Blocks read', number(row.shared_blks_read)],
      ['WAL', bytes(row.wal_bytes)],
      ['Planning', Number(row.plans ?? 0) > 0 ? milliseconds(row.total_plan_time) : ''],
    ]),
    callers,
    el('div', { class: 'charts' }, ...Object.values(charts).map((one) => one.element)),
    el('h4', {}, 'Plan'),
    plan,
  )

  const history = async () => {
    const to = app.now()
    const span = { from: to - ranges[range], to, points: 180 }
    /** @type {Record<string, string>} */
    const where = { node, database, queryid: String(row.queryid), user: String(row.user ?? ''), toplevel: String(row.toplevel ?? '1') }
    const ask = async (/** @type {string} */ column) =>
      total((await app.api.series({ collector: 'statements', column, where }, span)).map(({ points }) => points))
    const [calls, time, rows] = await Promise.all([ask('calls'), ask('total_exec_time'), ask('rows')])
    /** @type {[ReturnType<typeof chart>, string, Point[], Unit][]} */
    const drawings = [
      [charts.calls, 'calls', calls, 'per second'],
      [charts.mean, 'mean', quotient(time, calls), 'ms'],
      [charts.rows, 'rows', rows, 'per second'],
    ]
    drawings.forEach(([one, label, points, unit], index) =>
      one.draw({
        lines: isKnown(points) ? [{ label, points, colour: [1, 2, 3][index] }] : [],
        unit, from: span.from, to: span.to, why: 'Not enough history.',
      }),
    )
  }

  // What those measure who call it through this service.
  const measured = async () => {
    const samples = await app.api.latest('client_statements')
    const own = samples.flatMap(({ rows }) => rows).find(({ queryid }) => queryid === String(row.queryid))
    callers.dataset.state = own ? 'shown' : 'none'
    callers.textContent = own
      ? `Called by this service as ${own.name}: p50 ${milliseconds(own.p50_ms)}, p95 ${milliseconds(own.p95_ms)}, p99 ${milliseconds(own.p99_ms)}, waiting included.`
      : ''
  }

  const planned = async () => {
    const { plan: text, why_not: why } = await app.api.plan({ queryid: String(row.queryid), database, node })
    plan.dataset.state = text === null ? 'none' : 'shown'
    plan.replaceChildren(
      text === null ? el('p', { class: 'empty' }, `No plan: ${why ?? 'no reason given'}`) : code(text, 'plan'),
    )
  }

  // Once it stands in the document, so that the charts know their width.
  queueMicrotask(() => {
    history().catch((error) => Object.values(charts).forEach((one) => one.say(error.message)))
    measured().catch(() => (callers.dataset.state = 'none'))
    planned().catch((error) => {
      plan.dataset.state = 'none'
      plan.replaceChildren(el('p', { class: 'empty' }, `No plan: ${error.message}`))
    })
  })
  return element
}
