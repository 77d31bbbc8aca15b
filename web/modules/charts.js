// What the eight charts of the first screen ask, and what they make of the answers.

import { reaches, straightLine } from './forecast.js'
import { isKnown, largest, newest, quotient, total } from './series.js'
import { bytes, count, number, percent, seconds } from './units.js'

/**
 * @typedef {{from: number, to: number, points: number}} Span
 * @typedef {{id: string, title: string, about: string, collectors: string[],
 *            load: (api: Api, span: Span, options: {limit: number | null}) =>
 *              Promise<Omit<Drawing, 'from' | 'to'> & {to?: number}>}} Chart
 */

const whole = 2 ** 31
const block = 8192

/** @param {Series[]} series */
const known = (series) => series.filter(({ points }) => isKnown(points))

/** @param {Series[]} series */
const sum = (series) => total(series.map(({ points }) => points))

/**
 * One series for each value of a label; where several nodes have it, that with the largest figure.
 * @param {Series[]} series
 * @param {string} label
 */
function oneOfEach(series, label) {
  /** @type {Map<string, Series>} */
  const found = new Map()
  for (const one of known(series)) {
    const name = one.labels[label] ?? ''
    const before = found.get(name)
    if (!before || (newest(one.points) ?? 0) > (newest(before.points) ?? 0)) found.set(name, one)
  }
  return [...found].map(([name, { points }]) => ({ label: name, points }))
}

/**
 * @param {string} label
 * @param {Point[]} points
 * @param {Line['colour']} colour
 * @param {Partial<Line>} [more]
 * @returns {Line}
 */
const line = (label, points, colour, more = {}) => ({ label, points, colour, ...more })

/** @param {Line[]} lines */
const withFigures = (lines) => lines.filter(({ points }) => isKnown(points))

/** What has no logarithm is a gap. @param {Line} line @returns {Line} */
const aboveZero = (line) => ({
  ...line,
  points: line.points.map(([at, value]) => [at, value !== null && value > 0 ? value : null]),
})

/** The row of `client_statements` that has all statements together. */
const everything = { name: '*' }

/** @type {Chart} */
const throughput = {
  id: 'throughput',
  title: 'Throughput and errors',
  about: 'What this service was asked, per second; without it, what the databases committed',
  collectors: ['client_statements', 'databases'],
  async load(api, span) {
    const client = (/** @type {string} */ column) =>
      api.series({ collector: 'client_statements', column, where: everything }, span)
    const [calls, errors] = await Promise.all([client('calls'), client('errors')])
    const lines = withFigures([line('statements', sum(calls), 1), line('errors', sum(errors), 5)])
    if (lines.length > 0) return { lines, unit: 'per second' }
    const server = (/** @type {string} */ column) =>
      api.series({ collector: 'databases', column }, span)
    const [commits, rollbacks] = await Promise.all([server('commits'), server('rollbacks')])
    return {
      lines: withFigures([line('commits', sum(commits), 1), line('rollbacks', sum(rollbacks), 5)]),
      unit: 'per second',
      note: 'Transactions, as the databases count them',
    }
  },
}

/** @type {Chart} */
const latency = {
  id: 'latency',
  title: 'Latency',
  about: 'Of all statements of this service; without it, the mean of what the servers ran',
  collectors: ['client_statements', 'statements'],
  async load(api, span) {
    const lines = await Promise.all(
      ['p50', 'p95', 'p99'].map(async (name, index) => {
        const where = { collector: 'client_statements', column: `${name}_ms`, where: everything }
        return line(name, sum(await api.series(where, span)), [2, 1, 4][index])
      }),
    )
    const found = withFigures(lines)
    if (found.length > 0) return { lines: found.map(aboveZero), unit: 'ms', logarithmic: true, note: 'Logarithmic' }
    const server = (/** @type {string} */ column) =>
      api.series({ collector: 'statements', column }, span)
    const [time, calls] = await Promise.all([server('total_exec_time'), server('calls')])
    return {
      lines: withFigures([line('mean', quotient(sum(time), sum(calls)), 2)]),
      unit: 'ms',
      note: 'The mean: servers keep no percentiles',
    }
  },
}

// From the bottom up: what works, what waits, what sits.
const working = 'running'
const inTransaction = 'idle in transaction'
const idle = 'idle'
/** @type {[string, Line['colour']][]} */
const states = [
  [working, 3],
  ['waits: IO', 1],
  ['waits: other', 6],
  ['waits: lock', 5],
  [inTransaction, 2],
  [idle, 'muted'],
]

/** @param {Record<string, string>} labels */
function stateOf(labels) {
  const state = labels.state ?? ''
  if (state.startsWith(inTransaction)) return inTransaction
  if (state === 'idle') return idle
  const wait = labels.wait_event_type ?? ''
  if (wait === '') return working
  if (wait === 'Lock') return 'waits: lock'
  return wait === 'IO' ? 'waits: IO' : 'waits: other'
}

/** @type {Chart} */
const sessions = {
  id: 'sessions',
  title: 'Sessions by state and wait',
  about: 'Client sessions, one on top of the other',
  collectors: ['sessions'],
  async load(api, span) {
    const series = await api.series(
      { collector: 'sessions', column: 'connection_count', by: ['state', 'wait_event_type'] },
      span,
    )
    const lines = states.map(([name, colour]) =>
      line(name, sum(series.filter(({ labels }) => stateOf(labels) === name)), colour, { stack: true }),
    )
    return { lines: withFigures(lines), unit: 'number' }
  },
}

/** @type {Chart} */
const connections = {
  id: 'connections',
  title: 'Connections against the limit',
  about: 'Client backends, and max_connections less what is reserved for superusers',
  collectors: ['connections'],
  async load(api, span) {
    const ask = (/** @type {string} */ column) => api.series({ collector: 'connections', column }, span)
    const [used, usable] = (await Promise.all([ask('used'), ask('usable')])).map(known)
    const most = new Map(usable.map(({ labels, points }) => [labels.node, newest(points)]))
    const full = used
      .map(({ labels, points }) => ({
        node: labels.node,
        share: (newest(points) ?? 0) / (most.get(labels.node) ?? Infinity),
      }))
      .sort((a, b) => b.share - a.share)[0]
    const lines = largest(oneOfEach(used, 'node'), 5, 'other nodes').map(({ label, points }, index) =>
      line(label || 'used', points, index + 1),
    )
    // Nodes with the same limit share its line.
    const limits = oneOfEach(
      usable.map((one) => ({ ...one, labels: { limit: String(newest(one.points)) } })),
      'limit',
    ).map(({ points }) => line('limit', points, 'limit', { dash: true }))
    return {
      lines: lines.length > 0 ? [...lines, ...limits] : [],
      unit: 'number',
      note: full && full.share > 0 ? `${percent(full.share * 100)} used${used.length > 1 ? ` on ${full.node}` : ''}` : '',
    }
  },
}

/** @type {Chart} */
const lag = {
  id: 'lag',
  title: 'Replication lag',
  about: 'How old the newest transaction is that a replica shows',
  collectors: ['nodes', 'replication'],
  async load(api, span) {
    const nodes = oneOfEach(
      await api.series({ collector: 'nodes', column: 'lag_seconds', by: ['node'] }, span),
      'node',
    )
    const found =
      nodes.length > 0
        ? nodes
        : oneOfEach(
            await api.series(
              { collector: 'replication', column: 'replay_lag_seconds', by: ['application'] },
              span,
            ),
            'application',
          )
    return {
      lines: largest(found, 6, 'others').map(({ label, points }, index) => line(label, points, index + 1)),
      unit: 'seconds',
      why: 'No replica has told of a lag in this range.',
    }
  },
}

/** @type {Chart} */
const io = {
  id: 'io',
  title: 'WAL and I/O',
  about: 'Bytes of log written; bytes read and written by the servers',
  collectors: ['wal', 'io', 'databases'],
  async load(api, span) {
    const ask = async (/** @type {string} */ collector, /** @type {string} */ column) =>
      sum(await api.series({ collector, column }, span))
    const [log, reads, writes] = await Promise.all([
      ask('wal', 'bytes'),
      ask('io', 'read_bytes'),
      ask('io', 'write_bytes'),
    ])
    const lines = withFigures([line('WAL', log, 4), line('read', reads, 1), line('written', writes, 2)])
    if (isKnown(reads) || isKnown(writes)) return { lines, unit: 'bytes/s' }
    // Before version 16 servers know only what they asked of the system.
    const blocks = await ask('databases', 'blocks_read')
    const read = blocks.map(([at, value]) => /** @type {Point} */ ([at, value === null ? null : value * block]))
    return { lines: withFigures([...lines, line('read', read, 1)]), unit: 'bytes/s' }
  },
}

/** @type {Chart} */
const size = {
  id: 'size',
  title: 'Size, with forecast',
  about: 'Bytes of the databases; the dashed line is straight, by least squares over this range',
  collectors: ['databases'],
  async load(api, span, { limit }) {
    const each = oneOfEach(
      await api.series({ collector: 'databases', column: 'size_bytes', by: ['database'] }, span),
      'database',
    )
    if (each.length === 0) return { lines: [], unit: 'bytes' }
    const together = total(each.map(({ points }) => points))
    const lines = largest(each, 4, 'others').map(({ label, points }, index) => line(label, points, index + 1))
    if (each.length > 1) lines.push(line('all', together, 6))
    const straight = straightLine(together)
    if (straight === null) return { lines, unit: 'bytes', floating: true, note: 'Not enough history to forecast' }
    const to = span.to + (span.to - span.from) / 4
    lines.push(
      line(
        'forecast',
        [
          [span.to, straight.at(span.to)],
          [to, straight.at(to)],
        ],
        'limit',
        { dash: true, silent: true },
      ),
    )
    const change = `${straight.perDay < 0 ? '−' : '+'}${bytes(Math.abs(straight.perDay))} a day`
    const when = limit === null ? null : reaches(straight, limit, span.to)
    let note = change
    if (limit !== null && when === null) note += `; does not reach ${bytes(limit)} within ten years`
    else if (limit !== null && when === span.to) note += `; beyond ${bytes(limit)} now`
    else if (limit !== null && when !== null) {
      note += `; ${bytes(limit)} in ${seconds((when - span.to) / 1000)}`
    }
    return { lines, unit: 'bytes', floating: true, to, note }
  },
}

/** @type {Chart} */
const wraparound = {
  id: 'wraparound',
  title: 'Age towards wraparound',
  about: 'Transactions since the oldest that is not frozen; servers stop short of 2,147,483,648',
  collectors: ['wraparound'],
  async load(api, span) {
    const ask = (/** @type {string} */ column, /** @type {string[]} */ by = ['database']) =>
      api.series({ collector: 'wraparound', column, by }, span)
    const [xids, multixacts, freeze] = await Promise.all([
      ask('xid_age'),
      ask('multixact_age'),
      ask('xid_freeze_max_age'),
    ])
    // Ages do not add up: the oldest count, and the others are left out.
    const ages = oneOfEach(xids, 'database').sort((a, b) => (newest(b.points) ?? 0) - (newest(a.points) ?? 0))
    if (ages.length === 0) return { lines: [], unit: 'number' }
    const lines = ages.slice(0, 4).map(({ label, points }, index) => line(label, points, index + 1))
    const multixact = oneOfEach(multixacts, 'database').sort(
      (a, b) => (newest(b.points) ?? 0) - (newest(a.points) ?? 0),
    )[0]
    if (multixact && (newest(multixact.points) ?? 0) > 0) lines.push(line('multixacts', multixact.points, 6))
    const begins = oneOfEach(freeze, 'database')[0]
    if (begins) lines.push(line('forced vacuum', begins.points, 'limit', { dash: true }))
    const oldest = newest(ages[0].points) ?? 0
    return {
      lines,
      unit: 'number',
      note: `${ages[0].label}: ${number(oldest)}, ${percent((100 * oldest) / whole)} of ${count(whole)}`,
    }
  },
}

export const charts = [
  throughput, latency, sessions, connections, lag, io, size, wraparound,
]
