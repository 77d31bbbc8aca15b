// Made-up databases for the page to show: what the admin API answers of each (docs/admin-api.md).
// The collectors are those of the server's own source, so that columns cannot drift apart.

import { readFileSync } from 'node:fs'

const source = process.env.LYCEUM_SOURCE_DIR ?? new URL('../..', import.meta.url).pathname

/** The collectors as src/watch/collectors.cpp has them. */
function declared() {
  const text = readFileSync(`${source}/src/watch/collectors.cpp`, 'utf8')
  const string = '((?:"(?:[^"\\\\]|\\\\.)*"\\s*)+)'
  const plain = (literals) =>
    [...literals.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, part]) => JSON.parse(`"${part}"`)).join('')
  const found = []
  for (const part of text.split(/\{\s*\.name = /).slice(1)) {
    const [, name, meaning, scope, pace] = part.match(
      new RegExp(`^${string},\\s*\\.meaning = ${string},\\s*\\.scope = Scope::(\\w+),\\s*\\.pace = Pace::(\\w+)`),
    )
    const columns = [...part.matchAll(new RegExp(`\\{${string},\\s*(key|text|gauge|counter),\\s*${string}\\}`, 'g'))]
    found.push({
      name: plain(name), meaning: plain(meaning), scope, pace,
      columns: columns.map(([, column, kind, says]) => ({ name: plain(column), kind, meaning: plain(says) })),
    })
  }
  if (found.length < 20) throw new Error('src/watch/collectors.cpp is written in another way now')
  return found
}

const client = (name, meaning, columns) => ({
  name, meaning, scope: 'client', pace: 'fast',
  columns: columns.map(([column, kind, says]) => ({ name: column, kind, meaning: says })),
})

/** What the process knows of itself. */
const own = [
  client('client_statements', 'statements of this service', [
    ['name', 'key', 'statement; * is all of them together'],
    ['queryid', 'text', 'under which the servers count most of its calls'],
    ['calls', 'counter', 'calls'], ['errors', 'counter', 'of these failed'],
    ['p50_ms', 'gauge', 'median'], ['p95_ms', 'gauge', '95th percentile'], ['p99_ms', 'gauge', '99th percentile'],
  ]),
  client('pools', 'connections of this service', [
    ['name', 'key', 'pool'], ['open', 'gauge', 'connections'], ['idle', 'gauge', 'of these idle'],
    ['leased', 'gauge', 'of these leased'], ['lanes', 'gauge', 'of these lanes'],
    ['waiting', 'gauge', 'requests that wait'], ['timeouts', 'counter', 'waits given up'],
    ['failures', 'counter', 'connections that failed'],
  ]),
  client('nodes', 'the servers as this service sees them', [
    ['node', 'key', 'server'], ['role', 'text', 'primary or replica'],
    ['standing', 'text', 'whether it is read from'], ['up', 'gauge', '1 while it answers'],
    ['lag_seconds', 'gauge', 'how old what it shows is'], ['lag_bytes', 'gauge', 'log not yet replayed, bytes'],
  ]),
  client('collectors', 'what this monitor reads', [
    ['collector', 'key', 'collector'], ['state', 'text', 'ok, off or failing'],
    ['seconds_total', 'counter', 'time of all runs'], ['runs', 'counter', 'runs'],
    ['failures', 'counter', 'of these failed'], ['rows', 'counter', 'rows read'],
    ['last_error', 'text', 'why it is off or fails'], ['mend', 'text', 'SQL that mends it'],
  ]),
]

export const collectors = [...declared(), ...own]

const GB = 2 ** 30
const MB = 2 ** 20
const image = '<img src=x onerror="window.hacked=1">'
const script = '</script><script>window.hacked=1</script>'

/** Rows with all columns of their collector, in its order; what is not named is null. */
function filled(name, rows) {
  const { columns } = collectors.find((collector) => collector.name === name)
  return rows.map((row) => {
    for (const member of Object.keys(row)) {
      if (!columns.some((column) => column.name === member)) throw new Error(`${name} has no ${member}`)
    }
    return Object.fromEntries(columns.map((column) => [column.name, row[column.name] ?? null]))
  })
}

const statement = (queryid, user, query, calls, mean, more = {}) => ({
  queryid, user, toplevel: '1', query, calls, total_exec_time: calls * mean, mean_exec_time: mean,
  min_exec_time: mean / 4, max_exec_time: mean * 21, stddev_exec_time: mean * 0.7, rows: calls * 12,
  hit_percent: 99.1, shared_blks_hit: calls * 40, shared_blks_read: calls / 3, temp_blks_written: 0,
  temp_blks_read: 0, wal_bytes: 0, plans: 0, total_plan_time: 0, ...more,
})

const table = (schemaname, relname, live, dead, more = {}) => ({
  schemaname, relname, live_tuples: live, dead_tuples: dead, vacuum_threshold: 50 + 0.2 * live,
  inserted_since_vacuum: live * 0.02, insert_threshold: 1000 + 0.2 * live,
  modified_since_analyze: live * 0.01, analyze_threshold: 50 + 0.1 * live, autovacuum_enabled: 1,
  inserts: live, updates: live * 3, hot_updates: live * 2, deletes: live / 10,
  size_bytes: live * 210, indexes_bytes: live * 90, toast_bytes: 0, xid_age: 41_000_000, multixact_age: 12,
  seq_scans: 12, seq_rows_read: live, idx_scans: live * 8, idx_rows_fetched: live * 30, vacuums: 0, autovacuums: 31,
  ...more,
})

const index = (relname, indexrelname, scans, bytes, more = {}) => ({
  schemaname: 'public', relname, indexrelname, idx_scan: scans, idx_tup_read: scans * 3, idx_tup_fetch: scans * 2,
  size_bytes: bytes, valid: 1, constrains: 0, definition: `CREATE INDEX ${indexrelname} ON public.${relname} USING btree (tenant_id)`,
  ...more,
})

/** What all states share: a primary, two replicas, two databases. */
function school(now) {
  const seconds = Math.floor(now / 1000)
  const nodes = ['db1:5432', 'db2:5432', 'db3:5432']
  const samples = {}
  const put = (collector, node, database, rows, rates) =>
    (samples[collector] ??= []).push({ node, database, at: now - 3000, epoch: 1, rows: filled(collector, rows), ...(rates ? { rates } : {}) })
  nodes.forEach((node, at) => {
    put('server', node, '', [{ version: 150013, started_at: seconds - 1_900_000, in_recovery: at > 0 ? 1 : 0, timeline: 3, statements_version: '1.10', track_io_timing: 1, autovacuum: 1 }])
    put('connections', node, '', [{ used: [62, 21, 18][at], usable: 197, max: 200, active: [9, 4, 3][at], idle: [53, 17, 15][at], idle_in_transaction: 0, waiting_for_lock: 0 }])
    put('sessions', node, '', [
      { database: 'learning', state: 'active', wait_event_type: '', wait_event: '', connection_count: [6, 3, 2][at], max_duration_seconds: 1.2 },
      { database: 'learning', state: 'active', wait_event_type: 'IO', wait_event: 'DataFileRead', connection_count: [2, 1, 1][at], max_duration_seconds: 0.3 },
      { database: 'learning', state: 'active', wait_event_type: 'LWLock', wait_event: 'WALWrite', connection_count: [1, 0, 0][at], max_duration_seconds: 0.1 },
      { database: 'learning', state: 'idle', wait_event_type: 'Client', wait_event: 'ClientRead', connection_count: [53, 17, 15][at], max_duration_seconds: 412 },
    ])
    put('blocking', node, '', [])
    put('transactions', node, '', at > 0 ? [] : [
      { holder: '4711', kind: 'session', database: 'learning', user: 'lyceum_app', application: 'lyceum', state: 'active', transaction_seconds: 0.4, state_seconds: 0.4, snapshot_age: 12, holds_oldest: 1, query: 'SELECT count(*) FROM progress' },
    ])
    put('databases', node, '', [
      { database: 'learning', size_bytes: 212 * GB, connections: 60, commits: 812_334_112, rollbacks: 12_301, blocks_hit: 9e11, blocks_read: 4e9, temp_files: 12, temp_bytes: 3 * GB, deadlocks: 1, checksum_failures: 0 },
      { database: 'reporting', size_bytes: 38 * GB, connections: 2, commits: 1_200_311, rollbacks: 31, blocks_hit: 8e9, blocks_read: 9e8, deadlocks: 0 },
    ])
    put('wraparound', node, '', [
      { database: 'learning', xid_age: 121_000_000, multixact_age: 3_100_000, xid_freeze_max_age: 200_000_000, multixact_freeze_max_age: 400_000_000 },
      { database: 'reporting', xid_age: 82_000_000, multixact_age: 1, xid_freeze_max_age: 200_000_000, multixact_freeze_max_age: 400_000_000 },
    ])
    put('wal', node, '', [{ position_bytes: 8e12, records: 4e10, full_page_images: 3e7, bytes: at > 0 ? 0 : 8e12, buffers_full: 12 }])
    put('replication', node, '', at > 0 ? [] : [
      { application: 'db2', pid: '901', state: 'streaming', sync_state: 'async', sent_lag_bytes: 0, flush_lag_bytes: 0, replay_lag_bytes: 1200, replay_lag_seconds: 0.02 },
      { application: 'db3', pid: '902', state: 'streaming', sync_state: 'async', sent_lag_bytes: 0, flush_lag_bytes: 4096, replay_lag_bytes: 9800, replay_lag_seconds: 0.05 },
    ])
    put('replica', node, '', at === 0 ? [] : [{ receiving: 1, replay_paused: 0, received_not_replayed_bytes: 800, replayed_seconds_ago: 0.4 }])
    put('slots', node, '', at > 0 ? [] : [
      { slot: 'db2', type: 'physical', active: 1, wal_status: 'reserved', safe_wal_size: 60 * GB, retained_bytes: 12 * MB },
      { slot: 'db3', type: 'physical', active: 1, wal_status: 'reserved', safe_wal_size: 60 * GB, retained_bytes: 14 * MB },
    ])
    put('vacuum_progress', node, '', at > 0 ? [] : [
      { pid: '6120', database: 'learning', relation: 'public.progress', automatic: 1, phase: 'scanning heap', blocks_total: 512_000, blocks_scanned: 301_000, blocks_vacuumed: 0, index_passes: 0, running_seconds: 512 },
    ])
    put('index_progress', node, '', [])
    put('settings', node, '', [{ name: 'shared_buffers', value: '16GB', source: 'configuration file', pending_restart: 0 }])
  })
  const texts = [
    ['-6143820015912345678', 'SELECT s.id, s.title, s.level, p.completion_percentage FROM stories s LEFT JOIN progress p ON p.story_id = s.id AND p.user_id = $1 WHERE s.tenant_id = $2 AND s.level = $3 ORDER BY s.published_at DESC, s.id LIMIT $4', 9_120_334, 1.31],
    ['4411209983771234567', 'INSERT INTO progress (tenant_id, user_id, story_id, completion_percentage, time_spent) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, user_id, story_id) DO UPDATE SET completion_percentage = greatest(progress.completion_percentage, excluded.completion_percentage)', 4_800_120, 0.42, { wal_bytes: 61 * GB }],
    ['889120348712345', 'SELECT date_trunc($1, started_at) AS day, sum(seconds), count(*) FROM learning_sessions WHERE tenant_id = $2 AND started_at >= $3 GROUP BY 1 ORDER BY 1', 12_334, 212.7, { temp_blks_written: 81_223, hit_percent: 71.2 }],
    ['771', 'SELECT id, word FROM vocabulary WHERE level = $1 ORDER BY frequency_per_million DESC LIMIT $2', 3_301_991, 0.09],
    ['772', 'COMMIT', 8_100_000, 0.03],
    ['773', 'UPDATE user_vocabulary_progress SET next_review_date = $1, review_count = review_count + 1 WHERE tenant_id = $2 AND user_id = $3 AND vocabulary_id = $4', 2_100_341, 0.31, { wal_bytes: 21 * GB }],
  ]
  const rows = texts.map(([id, text, calls, mean, more]) => statement(id, 'lyceum_app', text, calls, mean, more))
  put('statements', 'db1:5432', 'learning', rows, rows.map(({ calls, mean_exec_time: mean }) => ({ calls: calls / 86400, total_exec_time: (calls / 86400) * mean, rows: (calls / 86400) * 12 })))
  put('tables', 'db1:5432', 'learning', [
    table('public', 'progress', 84_000_000, 9_200_000, { last_autovacuum: seconds - 42_000, inserted_since_vacuum: 4_000_000 }),
    table('public', 'stories', 120_000, 2_100, { last_autovacuum: seconds - 3_600 }),
    table('public', 'learning_sessions', 310_000_000, 120_000, { inserted_since_vacuum: 41_000_000 }),
    table('public', 'user_vocabulary_progress', 51_000_000, 4_100_000),
    table('public', 'tenants', 320, 4),
  ])
  put('indexes', 'db1:5432', 'learning', [
    index('progress', 'progress_pkey', 91_200_112, 6 * GB, { constrains: 1 }),
    index('progress', 'progress_by_story', 1_201_334, 4 * GB),
    index('learning_sessions', 'learning_sessions_by_day', 61_002, 9 * GB),
    index('stories', 'stories_search', 3_312_009, 140 * MB),
    index('stories', 'stories_by_author', 0, 22 * MB),
  ])
  put('sequences', 'db1:5432', 'learning', [])
  put('client_statements', '', '', [
    { name: '*', calls: 71_002_334, errors: 812, p50_ms: 0.61, p95_ms: 2.9, p99_ms: 11.4 },
    { name: 'learning.stories_page', queryid: '-6143820015912345678', calls: 9_120_334, errors: 3, p50_ms: 1.2, p95_ms: 3.8, p99_ms: 14.1 },
    { name: 'learning.save_progress', calls: 4_800_120, errors: 40, p50_ms: 0.5, p95_ms: 1.9, p99_ms: 6.2 },
  ], [{ calls: 1480, errors: 0.02 }, { calls: 120, errors: 0 }, { calls: 61, errors: 0 }])
  put('pools', '', '', nodes.map((name) => ({ name, open: 20, idle: 14, leased: 2, lanes: 4, waiting: 0, timeouts: 0, failures: 1 })))
  put('nodes', '', '', nodes.map((node, at) => ({ node, role: at > 0 ? 'replica' : 'primary', standing: at > 0 ? 'read from' : 'written to', up: 1, lag_seconds: at > 0 ? 0.03 * at : null, lag_bytes: at > 0 ? 1200 * at : null })))
  const names = collectors.filter(({ scope }) => scope !== 'client').map(({ name }) => name)
  nodes.forEach((node) =>
    put('collectors', node, '', names.map((collector, at) => ({ collector, state: 'running', seconds_total: 12.2 + at * 1.7, runs: 8601 + at, failures: 0, rows: 91_200 * (at + 1) }))),
  )
  const verdict = (rule, collector, severity, summary, more = {}) => ({
    rule, collector, severity, node: '', database: '', labels: {}, summary, why: '', mend: '', ...more,
  })
  return {
    now, samples,
    verdicts: ['connections_near_limit', 'replica_lag', 'wraparound', 'vacuum_overdue', 'invalid_index', 'slot_lost', 'blocked', 'idle_in_transaction', 'archiver_failing']
      .map((rule) => verdict(rule, 'server', 'ok', `${rule.replaceAll('_', ' ')}: nothing found`)),
    alerts: [],
    plans: { '-6143820015912345678': 'Limit  (cost=0.56..41.20 rows=20 width=71)\n  ->  Nested Loop Left Join  (cost=0.56..8123.11 rows=4000 width=71)\n        ->  Index Scan using stories_page on stories s  (cost=0.28..812.44 rows=4000 width=63)\n              Index Cond: ((tenant_id = $2) AND (level = $3))\n        ->  Index Scan using progress_pkey on progress p' },
    find: (collector, node, database = '') => samples[collector].find((one) => one.node === node && one.database === database),
    put, verdict,
  }
}

function bad(now) {
  const state = school(now)
  const db1 = (collector, database = '') => state.find(collector, 'db1:5432', database)
  const seconds = Math.floor(now / 1000)
  db1('blocking').rows = filled('blocking', [
    { pid: '3001', blocked_by: '', depth: 0, blocks: 5, waiting_seconds: null, transaction_seconds: 1934, database: 'learning', user: 'report', application: image, state: 'idle in transaction', query: 'UPDATE stories SET title = upper(title)' },
    { pid: '3002', blocked_by: '3001', depth: 1, blocks: 3, waiting_seconds: 1211, transaction_seconds: 1212, database: 'learning', user: 'lyceum_app', application: 'lyceum', state: 'active', lock_type: 'relation', mode: 'AccessExclusiveLock', relation: 'public.stories', query: 'ALTER TABLE stories ADD COLUMN mood text' },
    { pid: '3003', blocked_by: '3002', depth: 2, blocks: 0, waiting_seconds: 910, transaction_seconds: 910, database: 'learning', user: 'lyceum_app', application: 'lyceum', state: 'active', lock_type: 'relation', mode: 'AccessShareLock', relation: 'public.stories', query: 'SELECT s.id FROM stories s' },
    { pid: '3004', blocked_by: '3002', depth: 2, blocks: 1, waiting_seconds: 640, transaction_seconds: 641, database: 'learning', user: 'lyceum_app', application: 'lyceum', state: 'active', lock_type: 'relation', mode: 'RowExclusiveLock', relation: 'public.stories', query: 'UPDATE stories SET published = true' },
    { pid: '3005', blocked_by: '3001,3004', depth: 1, blocks: 0, waiting_seconds: 33, transaction_seconds: 33, database: 'learning', user: 'lyceum_app', application: 'lyceum', state: 'active', lock_type: 'transactionid', mode: 'ShareLock', relation: '', query: 'DELETE FROM stories WHERE id = $1' },
    { pid: '4001', blocked_by: '4002', depth: 1, blocks: 1, waiting_seconds: 0.6, transaction_seconds: 1, database: 'reporting', user: 'batch', application: 'psql', state: 'active', lock_type: 'transactionid', mode: 'ShareLock', relation: '', query: 'UPDATE a' },
    { pid: '4002', blocked_by: '4001', depth: 1, blocks: 1, waiting_seconds: 0.4, transaction_seconds: 1, database: 'reporting', user: 'batch', application: 'psql', state: 'active', lock_type: 'transactionid', mode: 'ShareLock', relation: '', query: 'UPDATE b' },
  ])
  db1('transactions').rows = filled('transactions', [
    { holder: '3001', kind: 'session', database: 'learning', user: 'report', application: image, state: 'idle in transaction', transaction_seconds: 1934, state_seconds: 1930, snapshot_age: 8_212_000, holds_oldest: 1, query: 'UPDATE stories SET title = upper(title)' },
    { holder: 'nightly', kind: 'prepared', database: 'learning', user: 'batch', transaction_seconds: 91_000, snapshot_age: 120_000 },
    { holder: '3002', kind: 'session', database: 'learning', user: 'lyceum_app', application: 'lyceum', state: 'active', transaction_seconds: 1212, state_seconds: 1212, snapshot_age: 6_000_000, query: 'ALTER TABLE stories ADD COLUMN mood text' },
    { holder: '7777', kind: 'session', database: 'learning', user: script, application: script, state: 'active', transaction_seconds: 12, state_seconds: 2, snapshot_age: 40, query: `SELECT '${script}'` },
  ])
  db1('connections').rows = filled('connections', [{ used: 189, usable: 197, max: 200, active: 130, idle: 51, idle_in_transaction: 8, waiting_for_lock: 5 }])
  db1('sessions').rows = filled('sessions', [
    { database: 'learning', state: 'active', wait_event_type: '', wait_event: '', connection_count: 31, max_duration_seconds: 40 },
    { database: 'learning', state: 'active', wait_event_type: 'Lock', wait_event: 'relation', connection_count: 82, max_duration_seconds: 1211 },
    { database: 'learning', state: 'active', wait_event_type: 'IO', wait_event: 'DataFileRead', connection_count: 17, max_duration_seconds: 3 },
    { database: 'learning', state: 'idle in transaction', wait_event_type: 'Client', wait_event: 'ClientRead', connection_count: 8, max_duration_seconds: 1930 },
    { database: 'learning', state: 'idle', wait_event_type: 'Client', wait_event: 'ClientRead', connection_count: 51, max_duration_seconds: 12 },
  ])
  db1('wraparound').rows = filled('wraparound', [
    { database: 'learning', xid_age: 1_712_000_000, multixact_age: 31_000_000, xid_freeze_max_age: 200_000_000, multixact_freeze_max_age: 400_000_000 },
    { database: image, xid_age: 82_000_000, multixact_age: 1, xid_freeze_max_age: 200_000_000, multixact_freeze_max_age: 400_000_000 },
  ])
  db1('slots').rows = filled('slots', [
    { slot: 'db2', type: 'physical', active: 1, wal_status: 'extended', safe_wal_size: 6 * GB, retained_bytes: 91 * GB },
    { slot: 'warehouse', type: 'logical', database: 'reporting', active: 0, wal_status: 'lost', safe_wal_size: null, retained_bytes: 400 * GB },
  ])
  db1('replication').rows[0].replay_lag_seconds = 340
  state.find('nodes', '').rows[1] = { ...state.find('nodes', '').rows[1], lag_seconds: 340, lag_bytes: 11 * GB, standing: 'too far behind to be read from' }
  state.find('nodes', '').rows[2] = { ...state.find('nodes', '').rows[2], up: 0, lag_seconds: null, lag_bytes: null, standing: 'does not answer' }
  db1('tables', 'learning').rows.push(...filled('tables', [
    table('public', 'audit', 2_000_000, 31_000_000, { autovacuum_enabled: 0 }),
    table('public', image, 1000, 900_000, { last_vacuum: seconds - 9_000_000 }),
    table('public', 'untouched', -1, 0, { vacuum_threshold: 0, insert_threshold: null }),
    ...Array.from({ length: 260 }, (_, at) => table('archive', `events_${2000 + at}`, 1000 + at, at)),
  ]))
  db1('indexes', 'learning').rows.push(...filled('indexes', [
    index('stories', 'stories_by_mood_ccnew', 0, 41 * MB, { valid: 0 }),
    index(image, script, 0, 4 * MB),
  ]))
  db1('statements', 'learning').rows.push(...filled('statements', [
    statement('999', script, `SELECT '${image}' -- ${script}`, 120_000, 912.4, { hit_percent: 12.5, temp_blks_written: 4_000_000 }),
    statement('998', 'report', 'a statement without a plan', 3, 4.5),
  ]))
  db1('statements', 'learning').rates.push(null, null)
  db1('index_progress').rows = filled('index_progress', [
    { pid: '8101', database: 'learning', relation: 'public.stories', command: 'CREATE INDEX CONCURRENTLY', phase: 'building index: scanning table', done: 0.41, running_seconds: 71 },
  ])
  const errors = { calls: 900, errors: 55 }
  state.find('client_statements', '').rows[0] = { ...state.find('client_statements', '').rows[0], p50_ms: 2.4, p95_ms: 240, p99_ms: 4100 }
  state.find('client_statements', '').rates[0] = errors
  const refused = (node, collector, why, mend) => {
    const row = state.find('collectors', node).rows.find((one) => one.collector === collector)
    Object.assign(row, { state: 'off', failures: 12, last_error: why, mend })
    state.samples[collector] = (state.samples[collector] ?? []).filter((sample) => sample.node !== node)
  }
  refused('db1:5432', 'io', 'pg_stat_io exists from version 16 on', '')
  refused('db3:5432', 'statements', 'permission denied for view pg_stat_statements', 'GRANT pg_read_all_stats TO lyceum_monitor;')
  refused('db1:5432', 'vacuum_progress', 'permission denied: the role sees nothing of others', 'GRANT pg_monitor TO lyceum_monitor;')
  state.samples.statements.push({ node: 'db2:5432', database: 'learning', at: now, epoch: 4, rows: filled('statements', [statement('771', 'lyceum_read', 'SELECT id, word FROM vocabulary WHERE level = $1 ORDER BY frequency_per_million DESC LIMIT $2', 81_000, 0.1)]) })

  const on = { node: 'db1:5432' }
  const { verdict } = state
  state.verdicts = [
    verdict('wraparound', 'wraparound', 'critical', 'Database learning is 1,712,000,000 transactions old: 79.7 % of the way to a standstill', { ...on, labels: { database: 'learning' }, why: 'At 2,144,483,648 the server takes no more writes until it has been vacuumed.', mend: 'VACUUM (FREEZE, VERBOSE);' }),
    verdict('blocked', 'blocking', 'critical', 'Backend 3001 blocks 5 others, for up to 20 min 11 s', { ...on, database: 'learning', labels: { pid: '3001', application: image }, why: 'It is idle in a transaction and holds a lock that they wait for. Everything that needs public.stories queues up behind them.', mend: 'SELECT pg_terminate_backend(3001);' }),
    verdict('slot_lost', 'slots', 'critical', 'Slot warehouse has lost log that its reader still needs', { ...on, labels: { slot: 'warehouse' }, why: 'Its reader cannot go on and has to be set up anew.', mend: "SELECT pg_drop_replication_slot('warehouse');" }),
    verdict('node_down', 'nodes', 'critical', 'db3:5432 has not answered for 3 min 12 s', { node: 'db3:5432', labels: { node: 'db3:5432' }, why: 'Reads go to the other nodes.' }),
    verdict('connections_near_limit', 'connections', 'warning', '189 of 197 connections are in use: 95.9 %', { ...on, why: 'The next ones are refused.', mend: 'SELECT pid, application_name, state FROM pg_stat_activity ORDER BY state_change;' }),
    verdict('vacuum_overdue', 'tables', 'warning', 'public.audit has 31,000,000 dead rows, 77 times what triggers a vacuum, and autovacuum is off for it', { ...on, database: 'learning', labels: { schemaname: 'public', relname: 'audit' }, why: 'Scans read the dead rows too, and the table grows.', mend: 'ALTER TABLE public.audit SET (autovacuum_enabled = true);\nVACUUM (ANALYZE) public.audit;' }),
    verdict('vacuum_overdue', 'tables', 'warning', `public.${image} has 900,000 dead rows`, { ...on, database: 'learning', labels: { schemaname: 'public', relname: image }, why: script, mend: `VACUUM "${image}"; -- ${script}` }),
    verdict('replica_lag', 'replication', 'warning', 'db2 is 5 min 40 s behind', { ...on, labels: { application: 'db2' }, why: 'Reads that must see what was just written go to the primary.' }),
    verdict('invalid_index', 'indexes', 'warning', 'Index stories_by_mood_ccnew is invalid: written to, never read', { ...on, database: 'learning', labels: { indexrelname: 'stories_by_mood_ccnew' }, why: 'A build was interrupted.', mend: 'DROP INDEX CONCURRENTLY public.stories_by_mood_ccnew;' }),
    verdict('collector_off', 'collectors', 'info', 'vacuum_progress cannot be read on db1:5432', { ...on, labels: { collector: 'vacuum_progress' }, mend: 'GRANT pg_monitor TO lyceum_monitor;' }),
    ...state.verdicts.slice(0, 3),
  ]
  const alert = (rule, collector, stage, severity, since, summary, more = {}) => ({
    rule, collector, state: stage, severity, labels: { node: 'db1:5432' }, since: now - since, summary, mend: '', silenced: false, inhibited: false, ...more,
  })
  state.alerts = [
    alert('wraparound', 'wraparound', 'firing', 'critical', 86_400_000, 'Database learning is 1,712,000,000 transactions old', { mend: 'VACUUM (FREEZE, VERBOSE);' }),
    alert('blocked', 'blocking', 'firing', 'critical', 1_211_000, `Backend 3001 (${image}) blocks 5 others`),
    alert('replica_lag', 'replication', 'firing', 'warning', 300_000, 'db2 is 5 min 40 s behind', { inhibited: true }),
    alert('connections_near_limit', 'connections', 'pending', 'warning', 41_000, '189 of 197 connections are in use'),
    alert('vacuum_overdue', 'tables', 'firing', 'warning', 9_000_000, 'public.audit has 31,000,000 dead rows', { silenced: true }),
    alert('checkpoints', 'checkpoints', 'resolved', 'info', 600_000, 'Checkpoints come by log volume'),
  ]
  return state
}

/** Nothing has been read yet. */
function empty(now) {
  return { now, samples: {}, verdicts: [], alerts: [], plans: {} }
}

export const states = { healthy: school, bad, empty }

const started = Date.now()

/** A figure's past: deterministic, wandering, and ending at what it is now. */
function past(name, value, at, now) {
  if (typeof value !== 'number') return null
  const age = (now - at) / 1000
  if (/size_bytes$/.test(name)) return value * (1 - age * 8e-8) + Math.sin(at / 9e6) * value * 1e-5
  if (/_age$/.test(name)) return value * (1 - age * 4e-8)
  if (/^(usable|max|xid_freeze_max_age|multixact_freeze_max_age)$/.test(name)) return value
  const calm = /^(used|connection_count)$/.test(name) ? 0.3 : 1
  const seed = [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0)
  const wave = Math.sin(at / 431_000 + seed) * 0.12 + Math.sin(at / 67_000 + seed * 3) * 0.07 + Math.sin(at / 19_000 + seed) * 0.04
  return Math.max(0, value * (1 + calm * wave * Math.min(1, age / 60)))
}

/** Points as the admin API gives them. */
export function series(state, { collector, column, by, node, from, to, points, database, ...where }) {
  const { columns, scope } = collectors.find(({ name }) => name === collector)
  const kind = columns.find(({ name }) => name === column).kind
  const has = (name) => columns.some((one) => one.name === name)
  const wanted = Object.entries(where)
  if (database !== undefined && has('database')) wanted.push(['database', database])
  const labels = (by ?? '').split(',').filter((name) => name !== '')
  const groups = new Map()
  for (const sample of state.samples[collector] ?? []) {
    if (node && scope !== 'client' && sample.node !== node) continue
    if (database !== undefined && !has('database') && sample.database !== database) continue
    sample.rows.forEach((row, index) => {
      if (wanted.some(([name, value]) => String(row[name] ?? '') !== value)) return
      if (typeof row[column] !== 'number') return
      const of = { node: sample.node, database: sample.database }
      for (const name of labels) of[name] = String(row[name] ?? '')
      const key = JSON.stringify(of)
      const value = kind === 'counter' ? (sample.rates?.[index]?.[column] ?? row[column] / 864_000) : row[column]
      const group = groups.get(key) ?? { labels: of, values: [] }
      group.values.push(value)
      groups.set(key, group)
    })
  }
  const count = Math.min(Number(points ?? 200), 500)
  const step = (Number(to) - Number(from)) / count
  return {
    unit: kind === 'counter' ? 'per second' : '',
    series: [...groups.values()].map(({ labels: of, values }) => ({
      labels: of,
      points: Array.from({ length: count }, (_, at) => {
        const time = Math.round(Number(from) + (at + 1) * step)
        // Statistics were reset once.
        if (kind === 'counter' && at === Math.floor(count * 0.3)) return [time, null]
        return [time, values.reduce((sum, value) => sum + past(column, value, time, Math.max(state.now, started)), 0)]
      }),
    })),
  }
}
