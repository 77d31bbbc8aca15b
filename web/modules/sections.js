// The tables of the page, a section each.

import { blockingTree } from './blocking_tree.js'
import { badge, code, el, facts } from './element.js'
import { columnsOf, labelOf } from './samples.js'
import { statementDetail } from './statement_detail.js'
import { format, percent, unitOf, unknown, version } from './units.js'
import { dueness, stateOf } from './vacuum_queue.js'
import { collectorView, viewSection } from './view.js'

/**
 * @param {string} id a column of the row
 * @param {string} label
 * @param {Unit} [unit]
 * @param {Partial<TableColumn>} [more]
 * @returns {TableColumn}
 */
const column = (id, label, unit, more = {}) => ({
  id, label, unit, value: (/** @type {Placed} */ { row }) => row[id] ?? null, ...more,
})

/**
 * @param {string} id a counter
 * @param {string} label
 * @param {Unit} unit
 * @returns {TableColumn}
 */
const rate = (id, label, unit) => ({
  id: `${id}_rate`, label, unit, title: 'between the last two samples',
  value: (/** @type {Placed} */ { rates }) => rates?.[id] ?? null,
})

/** @param {Cell} value */
const mono = (value) => el('code', {}, String(value ?? unknown))

/**
 * A statement's text and all else that its row says.
 * @param {string[]} [without]
 * @returns {(placed: Placed, described: Collector) => Node}
 */
const textAndFacts = (without = []) => ({ row, node, database }, described) =>
  el(
    'div',
    {},
    row.query ? code(String(row.query)) : null,
    facts([
      ['Node', node],
      ['Database', row.database === undefined ? database : ''],
      ...described.columns
        .filter(({ name }) => name !== 'query' && !without.includes(name) && row[name] != null)
        .map(
          (one) =>
            /** @type {[string, string]} */ ([labelOf(one.name), format(row[one.name], unitOf(one))]),
        ),
    ]),
  )

/**
 * A share as a figure and a bar, which turns red above its whole.
 * @param {number | null} share 1 is full
 * @param {string} [text]
 */
function bar(share, text) {
  if (share === null) return unknown
  const filled = el('span', { class: share > 1 ? 'over' : '' })
  filled.style.width = `${Math.min(100, Math.max(0, share * 100))}%`
  return el(
    'span',
    { class: 'gauge' },
    el('span', { class: 'meter', 'aria-hidden': 'true' }, filled),
    el('span', {}, text ?? (share === Infinity ? 'due' : percent(share * 100))),
  )
}

export const statements = viewSection({
  id: 'statements',
  title: 'Statements',
  key: 's',
  about: 'What the databases run, the most time first. Enter opens a statement: its history and its plan.',
  views: (app) => {
    let time = 0
    const share = (/** @type {Placed} */ { row }) => Number(row.total_exec_time ?? 0) / (time || 1)
    return [
      collectorView({
        collector: 'statements',
        title: 'Statements',
        empty: 'No statement has been counted yet.',
        sort: 'share',
        order: (rows) => {
          time = rows.reduce((sum, { row }) => sum + Number(row.total_exec_time ?? 0), 0)
          return rows
        },
        columns: () => [
          column('query', 'Statement', undefined, { wide: true }),
          column('user', 'User'),
          {
            id: 'share', label: 'Share of time', unit: 'percent', title: 'of all that is listed, since counting began',
            value: (row) => 100 * share(row),
            render: (row) => bar(share(row)),
          },
          rate('calls', 'Calls now', 'per second'),
          column('calls', 'Calls', 'count', { title: 'since counting began' }),
          column('mean_exec_time', 'Mean', 'ms'),
          column('max_exec_time', 'Longest', 'ms'),
          {
            id: 'rows_each', label: 'Rows a call', unit: 'number',
            value: ({ row }) => (row.calls ? Number(row.rows ?? 0) / Number(row.calls) : null),
          },
          column('hit_percent', 'From cache', 'percent', { title: 'blocks found in shared buffers' }),
          column('temp_blks_written', 'Temp blocks', 'count', { title: 'written for sorts and hashes that did not fit into memory' }),
          column('wal_bytes', 'WAL', 'bytes'),
        ],
        detail: (row) => statementDetail(app, row),
        onOpen: (key) => app.go({ open: key }),
      }),
      collectorView({
        collector: 'client_statements',
        title: 'Of this service, with percentiles',
        empty: 'This service has run no statement yet.',
        absent: 'No figures of a service: it runs none beside this monitor.',
        sort: 'calls',
        columns: () => [
          column('name', 'Name', undefined, { render: ({ row }) => (row.name === '*' ? 'all together' : mono(row.name)) }),
          rate('calls', 'Calls now', 'per second'),
          column('calls', 'Calls', 'count'),
          column('errors', 'Errors', 'count'),
          column('p50_ms', 'p50', 'ms'),
          column('p95_ms', 'p95', 'ms'),
          column('p99_ms', 'p99', 'ms'),
          column('queryid', 'Query id', undefined, { title: 'under which the servers count it' }),
        ],
        mark: ({ row }) => (Number(row.errors) > 0 ? 'warning' : ''),
      }),
    ]
  },
  after: (app) => {
    const open = app.place().open
    if (open !== '') for (const table of statements.tables?.() ?? []) table.open(open)
  },
})

export const blocking = viewSection({
  id: 'blocking',
  title: 'Blocking',
  key: 'b',
  about: 'Who waits for a lock, below whom it waits for. The first of a tree is the one to look at.',
  views: () => [
    collectorView({
      collector: 'blocking',
      title: 'Blocking tree',
      empty: 'Nobody waits for a lock.',
      order: (rows) => {
        const nodes = new Map()
        for (const row of rows) nodes.set(row.node, [...(nodes.get(row.node) ?? []), row])
        return [...nodes.values()].flatMap((/** @type {Placed[]} */ group) => {
          const by = new Map(group.map((one) => [String(one.row.pid), one]))
          return blockingTree(group.map(({ row }) => row)).map((branch) => ({
            .../** @type {Placed} */ (by.get(branch.pid)), branch,
          }))
        })
      },
      columns: () => [
        {
          id: 'pid', label: 'Backend', value: ({ row }) => row.pid,
          render: ({ branch }) => {
            const lead = branch.guides
              .map((/** @type {boolean} */ goes, /** @type {number} */ at) => (at === 0 ? '' : goes ? '│ ' : '  '))
              .join('')
            const tree = branch.depth === 0 ? '' : `${lead}${branch.last ? '└ ' : '├ '}`
            return el('span', { class: 'tree' }, el('span', { 'aria-hidden': 'true' }, tree), mono(branch.pid),
              branch.depth > 0 ? el('span', { class: 'aside' }, ` level ${branch.depth}`) : null)
          },
        },
        {
          id: 'part', label: 'Part', value: ({ branch, row }) => (branch.depth === 0 ? Number(row.blocks) : null),
          render: ({ branch, row }) => {
            if (branch.circle) return badge('critical', 'waits in a circle')
            if (branch.depth === 0) return badge('critical', `blocks ${row.blocks ?? '?'}`)
            return branch.others.length > 0 ? `waits, for ${branch.others.join(', ')} too` : 'waits'
          },
        },
        column('waiting_seconds', 'Waits for', 'seconds'),
        column('transaction_seconds', 'Open for', 'seconds', { title: 'since its transaction began' }),
        column('state', 'State'),
        column('mode', 'Lock', undefined, {
          render: ({ row }) => [row.mode, row.lock_type].filter((part) => part).join(' on ') || unknown,
        }),
        column('relation', 'Relation'),
        column('user', 'User'),
        column('application', 'Application'),
        column('query', 'Statement', undefined, { wide: true }),
      ],
      detail: (row, described) =>
        el('div', {}, textAndFacts(['pid'])(row, described),
          el('p', {}, `This ends what backend ${row.row.pid} runs, and then, if that was not enough, its connection:`),
          code(`SELECT pg_cancel_backend(${Number(row.row.pid)});\nSELECT pg_terminate_backend(${Number(row.row.pid)});`)),
      mark: ({ branch }) => (branch?.depth === 0 ? 'critical' : ''),
    }),
  ],
})

export const transactions = viewSection({
  id: 'transactions',
  title: 'Long transactions',
  key: 'l',
  about: 'Who holds the oldest transactions and snapshots. Nothing younger than the oldest can be cleaned away.',
  views: () => [
    collectorView({
      collector: 'transactions',
      title: 'Long transactions',
      empty: 'No transaction is open.',
      sort: 'transaction_seconds',
      columns: () => [
        column('holder', 'Holder', undefined, { render: ({ row }) => mono(row.holder) }),
        column('kind', 'Kind'),
        column('holds_oldest', 'Holds back', undefined, {
          render: ({ row }) => (Number(row.holds_oldest) === 1 ? badge('warning', 'the most') : ''),
        }),
        column('transaction_seconds', 'Open for', 'seconds'),
        column('state_seconds', 'In this state for', 'seconds'),
        column('state', 'State'),
        column('snapshot_age', 'Snapshot age', 'count', { title: 'transactions begun since its oldest snapshot' }),
        column('database', 'Database'),
        column('user', 'User'),
        column('application', 'Application'),
        column('query', 'Statement', undefined, { wide: true }),
      ],
      detail: textAndFacts(),
      mark: ({ row }) => (Number(row.holds_oldest) === 1 ? 'warning' : ''),
    }),
  ],
})

export const vacuum = viewSection({
  id: 'vacuum',
  title: 'Vacuum queue',
  key: 'v',
  about: 'Dead and inserted rows against what triggers a vacuum of that table: at 100 % it is due.',
  views: () => [
    collectorView({
      collector: 'vacuum_progress',
      title: 'Under way',
      empty: 'No vacuum is running.',
      sort: 'running_seconds',
      columns: () => [
        column('relation', 'Table'),
        column('phase', 'Phase'),
        {
          id: 'done', label: 'Scanned', unit: 'percent',
          value: ({ row }) => (row.blocks_total ? (100 * Number(row.blocks_scanned)) / Number(row.blocks_total) : null),
          render: ({ row }) => bar(row.blocks_total ? Number(row.blocks_scanned) / Number(row.blocks_total) : null),
        },
        column('index_passes', 'Index passes', 'count'),
        column('running_seconds', 'Runs for', 'seconds'),
        column('automatic', 'Automatic', 'yes'),
        column('database', 'Database'),
        column('pid', 'Backend'),
      ],
    }),
    collectorView({
      collector: 'tables',
      title: 'Tables, the most due first',
      empty: 'There is no table.',
      sort: 'worst',
      columns: () => [
        column('relname', 'Table', undefined, { render: ({ row }) => `${row.schemaname}.${row.relname}` }),
        column('state', 'State', undefined, {
          value: ({ row }) => stateOf(row),
          render: ({ row }) => {
            const state = stateOf(row)
            return state === 'not due' ? state : badge(state.includes('off') ? 'critical' : 'warning', state)
          },
        }),
        {
          id: 'worst', label: 'Towards vacuum', unit: 'percent', title: 'the nearer of dead and inserted rows',
          value: ({ row }) => dueness(row).worst * 100,
          render: ({ row }) => bar(dueness(row).worst),
        },
        column('dead_tuples', 'Dead rows', 'count'),
        column('vacuum_threshold', 'Due above', 'count'),
        column('live_tuples', 'Rows', 'count'),
        column('inserted_since_vacuum', 'Inserted since', 'count'),
        column('insert_threshold', 'Due above', 'count', { id: 'insert_threshold' }),
        column('modified_since_analyze', 'Changed since analyze', 'count'),
        column('analyze_threshold', 'Due above', 'count'),
        column('last_autovacuum', 'Last autovacuum', 'time'),
        column('last_vacuum', 'Last by hand', 'time'),
        column('size_bytes', 'Heap', 'bytes'),
        column('indexes_bytes', 'Indexes', 'bytes'),
        column('xid_age', 'Xid age', 'number'),
      ],
      detail: (row, described) =>
        el('div', {}, code(`VACUUM (ANALYZE, VERBOSE) ${quoted(row.row.schemaname)}.${quoted(row.row.relname)};`),
          textAndFacts(['schemaname', 'relname'])(row, described)),
      mark: ({ row }) => (dueness(row).worst > 1 ? 'warning' : ''),
    }),
  ],
})

/** @param {Cell} name an identifier of SQL */
const quoted = (name) => `"${String(name ?? '').replaceAll('"', '""')}"`

export const indexes = viewSection({
  id: 'indexes',
  title: 'Indexes',
  key: 'i',
  about: 'The largest first. One that no node scans and that constrains nothing is only written to.',
  views: () => [
    collectorView({
      collector: 'index_progress',
      title: 'Builds under way',
      empty: 'No index is being built.',
      sort: 'running_seconds',
    }),
    collectorView({
      collector: 'indexes',
      title: 'Indexes',
      empty: 'There is no index.',
      sort: 'size_bytes',
      columns: () => [
        column('indexrelname', 'Index'),
        column('relname', 'Table', undefined, { render: ({ row }) => `${row.schemaname}.${row.relname}` }),
        {
          id: 'state', label: 'State', value: ({ row }) => indexState(row)[1],
          render: ({ row }) => {
            const [severity, word] = indexState(row)
            return severity === '' ? word : badge(severity, word)
          },
        },
        column('size_bytes', 'Size', 'bytes'),
        rate('idx_scan', 'Scans now', 'per second'),
        column('idx_scan', 'Scans', 'count'),
        column('last_scan', 'Last scan', 'time'),
        column('idx_tup_read', 'Entries read', 'count'),
        column('idx_tup_fetch', 'Rows fetched', 'count'),
        column('definition', 'Definition', undefined, { wide: true }),
      ],
      detail: (row, described) =>
        el('div', {}, row.row.definition ? code(String(row.row.definition)) : null,
          Number(row.row.valid) === 0
            ? el('div', {}, el('p', {}, 'Its build was interrupted: it is written to and never read. This builds it again:'),
                code(`REINDEX INDEX CONCURRENTLY ${quoted(row.row.schemaname)}.${quoted(row.row.indexrelname)};`))
            : null,
          textAndFacts(['definition', 'schemaname', 'relname', 'indexrelname'])(row, described)),
      mark: ({ row }) => (Number(row.valid) === 0 ? 'critical' : ''),
    }),
  ],
})

/** @param {Row} row @returns {[string, string]} */
function indexState(row) {
  if (row.valid === 0) return ['critical', 'invalid']
  if (row.idx_scan === 0 && row.constrains === 0) return ['info', 'not scanned']
  return ['', row.constrains === 1 ? 'constrains' : 'used']
}

/** @param {Collector} described @returns {TableColumn[]} */
const ofServer = (described) => [
  { id: 'node', label: 'Server', value: ({ node }) => node },
  ...columnsOf(described).map((one) =>
    one.id === 'version' ? { ...one, render: (/** @type {Placed} */ { row }) => version(row.version) } : one,
  ),
]

export const nodes = viewSection({
  id: 'nodes',
  title: 'Nodes',
  key: 'n',
  about: 'The servers, who follows whom, what is kept for them, and this service’s pools.',
  views: () => [
    collectorView({
      collector: 'nodes', title: 'Nodes', empty: 'No node is configured.',
      absent: 'No figures of a service: it runs none beside this monitor.',
      columns: (described) =>
        columnsOf(described).map((one) =>
          one.id === 'up'
            ? { ...one, unit: 'yes', render: ({ row }) => (Number(row.up) === 1 ? badge('ok', 'up') : badge('critical', 'down')) }
            : one,
        ),
      mark: ({ row }) => (row.up === 0 ? 'critical' : ''),
    }),
    collectorView({ collector: 'server', title: 'Servers', empty: 'No server has been read yet.',
      columns: ofServer }),
    collectorView({ collector: 'connections', title: 'Connections', empty: 'No server has been read yet.',
      columns: ofServer }),
    collectorView({ collector: 'replication', title: 'Followers', empty: 'Nobody follows.' }),
    collectorView({ collector: 'replica', title: 'Replicas, as they see it', empty: 'No node is a replica.' }),
    collectorView({
      collector: 'slots', title: 'Replication slots', empty: 'There is no slot.',
      mark: ({ row }) => (row.wal_status === 'lost' ? 'critical' : row.wal_status === 'unreserved' ? 'warning' : ''),
    }),
    collectorView({ collector: 'pools', title: 'Pools of this service', empty: 'There is no pool.',
      absent: 'No figures of a service: it runs none beside this monitor.' }),
    collectorView({ collector: 'databases', title: 'Databases', empty: 'No server has been read yet.', sort: 'size_bytes' }),
  ],
})

export const shards = viewSection({
  id: 'shards',
  title: 'Shards and moves',
  key: 'h',
  about: 'Which cluster owns how many tenants, and the tenants that are being moved.',
  views: () => [
    collectorView({ collector: 'shards', title: 'Shards', empty: 'One cluster owns all tenants.',
      absent: 'One cluster owns all tenants: no shards are configured.' }),
    collectorView({ collector: 'moves', title: 'Moves', empty: 'No tenant is being moved.',
      absent: 'No tenant is being moved: there is nowhere to move to.' }),
  ],
})

/** What a collector has read last, when its row is opened. @param {App} app @param {Placed} placed */
function lastRead(app, { row }) {
  const view = collectorView({ collector: String(row.collector), id: `of-${row.collector}`,
    title: `What ${row.collector} has read last`, empty: 'No rows.' })
  const host = el('div', {}, row.mend ? code(String(row.mend)) : null, view.element)
  view.refresh(app).catch((error) => host.append(el('p', { class: 'empty' }, error.message)))
  return host
}

export const collectors = viewSection({
  id: 'collectors',
  title: 'Collectors',
  key: 'c',
  about: 'What this monitor reads, what that costs, and what it may not see. Enter shows what was read last.',
  views: (app) => [
    collectorView({
      collector: 'collectors', title: 'Collectors', empty: 'No collector has run yet.', sort: 'seconds_total',
      columns: () => [
        column('collector', 'Collector'),
        column('state', 'State', undefined, {
          render: ({ row }) => (row.state === 'running' ? badge('ok') : badge('warning', String(row.state ?? unknown))),
        }),
        column('runs', 'Runs', 'count'),
        column('failures', 'Failures', 'count'),
        column('rows', 'Rows', 'count'),
        column('seconds_total', 'Time in all', 'seconds'),
        {
          id: 'each', label: 'Time a run', unit: 'seconds',
          value: ({ row }) => (row.runs ? Number(row.seconds_total) / Number(row.runs) : null),
        },
        column('last_error', 'Why', undefined, { wide: true }),
        column('mend', 'What mends it', undefined, { wide: true }),
      ],
      detail: (row) => lastRead(app, row),
      mark: ({ row }) => (row.state !== 'running' ? 'warning' : ''),
    }),
  ],
})

