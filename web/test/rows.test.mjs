import assert from 'node:assert/strict'
import { test } from 'node:test'

import { blockingTree } from '../modules/blocking_tree.js'
import { compare, matches, sorted } from '../modules/order.js'
import { dueness, stateOf } from '../modules/vacuum_queue.js'

test('rows are ordered by number or name, what is not known last either way', () => {
  const of = (values, descending) => sorted(values, (value) => value, descending)
  assert.deepEqual(of([3, null, 10, 1], false), [1, 3, 10, null])
  assert.deepEqual(of([3, null, 10, 1], true), [10, 3, 1, null])
  assert.deepEqual(of(['b10', 'B2', 'a'], false), ['a', 'B2', 'b10'])
  assert.equal(compare('7', 7, false), 0)
  const same = [{ k: 1, n: 'x' }, { k: 1, n: 'y' }, { k: 0, n: 'z' }]
  assert.deepEqual(sorted(same, ({ k }) => k, true).map(({ n }) => n), ['x', 'y', 'z'])
})

test('a filter wants all its words, in any case, and none that it excludes', () => {
  assert.equal(matches('', ['a']), true)
  assert.equal(matches('  ', []), true)
  assert.equal(matches('Stories select', ['SELECT s.id', 'public.stories', null]), true)
  assert.equal(matches('stories update', ['SELECT s.id', 'public.stories']), false)
  assert.equal(matches('-idle', ['active']), true)
  assert.equal(matches('-idle', ['idle in transaction']), false)
  assert.equal(matches('-', ['anything']), true)
  assert.equal(matches('<img', ['<img src=x>']), true)
  assert.equal(matches('.*', ['abc']), false)
})

const waits = (pid, blockers, more = {}) => ({ pid: String(pid), blocked_by: blockers, blocks: 0, waiting_seconds: 0, ...more })
const shape = (rows) => blockingTree(rows).map(({ pid, depth }) => `${' '.repeat(depth)}${pid}`)

test('the tree has who blocks above who waits, the worst first', () => {
  assert.deepEqual(blockingTree([]), [])
  assert.deepEqual(
    shape([
      waits(3, '2', { waiting_seconds: 5 }),
      waits(2, '1', { waiting_seconds: 50, blocks: 2 }),
      waits(4, '2', { waiting_seconds: 9 }),
      waits(1, '', { blocks: 3 }),
      waits(5, '6'),
      waits(6, null, { blocks: 1 }),
    ]),
    ['1', ' 2', '  4', '  3', '6', ' 5'],
  )
})

test('who waits for several stands once, and who waits for nobody in sight is a root', () => {
  const tree = blockingTree([waits(1, ''), waits(2, '1,9, 7'), waits(3, '8')])
  assert.deepEqual(tree.map(({ pid, depth }) => [pid, depth]), [['1', 0], ['2', 1], ['3', 0]])
  assert.deepEqual(tree[1].others, ['9', '7'])
})

test('circles end, and lose nobody', () => {
  assert.deepEqual(shape([waits(1, '2'), waits(2, '1')]), ['1', ' 2'])
  assert.deepEqual(shape([waits(5, '5')]), ['5'])
  assert.equal(blockingTree([waits(1, '2'), waits(2, '1')])[0].circle, true)
  // Random graphs: each backend once, and never below one that is not there.
  let seed = 7
  const random = (below) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below
  for (let round = 0; round < 300; ++round) {
    const size = 1 + random(9)
    const rows = Array.from({ length: size }, (_, pid) =>
      waits(pid, Array.from({ length: random(3) }, () => random(size + 2)).join(',')))
    const tree = blockingTree(rows)
    assert.deepEqual(tree.map(({ pid }) => pid).sort(), rows.map(({ pid }) => pid).sort())
    tree.forEach(({ depth, guides }, at) => {
      assert.equal(guides.length, depth)
      assert.ok(depth <= (at === 0 ? 0 : tree[at - 1].depth + 1))
    })
  }
})

test('a table is due where its rows are above what triggers, and says for what', () => {
  const table = (more) => ({
    dead_tuples: 0, vacuum_threshold: 100, inserted_since_vacuum: 0, insert_threshold: 1000,
    modified_since_analyze: 0, analyze_threshold: 50, autovacuum_enabled: 1, ...more,
  })
  assert.equal(stateOf(table({ dead_tuples: 100 })), 'not due')
  assert.equal(stateOf(table({ dead_tuples: 101 })), 'due: dead rows')
  assert.equal(stateOf(table({ inserted_since_vacuum: 1001, modified_since_analyze: 51 })), 'due: inserts, analyze')
  assert.equal(stateOf(table({ autovacuum_enabled: 0 })), 'autovacuum off')
  assert.equal(dueness(table({ dead_tuples: 25, inserted_since_vacuum: 900 })).worst, 0.9)
  assert.equal(dueness(table({ insert_threshold: null, inserted_since_vacuum: 1e9 })).inserted, null)
  assert.equal(dueness(table({ dead_tuples: 1, vacuum_threshold: 0 })).worst, Infinity)
  assert.equal(dueness(table({ dead_tuples: 0, vacuum_threshold: 0 })).worst, 0)
})
