import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  ago, bytes, count, format, milliseconds, moment, number, percent, perSecond, seconds, unitOf, unknown, version,
} from '../modules/units.js'
import { collectors } from './states.mjs'

/** @param {(value: any) => string} read @param {[any, string][]} pairs */
const each = (read, pairs) => {
  for (const [value, text] of pairs) assert.equal(read(value), text, String(value))
}

test('what is not known is a dash, whatever it is of', () => {
  for (const read of [number, count, bytes, milliseconds, seconds, perSecond, percent, version]) {
    each(read, [[null, unknown], [undefined, unknown], [NaN, unknown]])
  }
  assert.equal(format(null, 'text'), unknown)
  assert.equal(format('', 'text'), '')
})

test('numbers have three digits that mean something, and never roll over to 1000', () => {
  each(number, [
    [0, '0'], [7, '7'], [0.012345, '0.0123'], [12.34, '12.3'], [999.4, '999'], [999.6, '1 k'],
    [1234, '1.23 k'], [-5600, '-5.6 k'], [999_600, '1 M'], [2_147_483_648, '2.15 G'], [1e-9, '0'],
  ])
  each(count, [[0, '0'], [1234567, '1,234,567'], [-1234, '-1,234'], [999.6, '1,000'], [-0.2, '0']])
  each(bytes, [[0, '0 B'], [1023, '1023 B'], [1024, '1 kB'], [1536, '1.5 kB'], [2 ** 30, '1 GB'], [1023.6 * 2 ** 20, '1 GB']])
  each(perSecond, [[0, '0/s'], [1480, '1.48 k/s']])
  each(percent, [[95.94, '95.9 %'], [0, '0 %'], [360_000, '360,000 %']])
})

test('durations are in the two largest units, and carry over', () => {
  each(milliseconds, [[0, '0 ms'], [0.25, '250 µs'], [12.34, '12.3 ms'], [999.6, '1 s'], [61_000, '1 min 1 s']])
  each(seconds, [
    [0, '0 s'], [0.5, '500 ms'], [59.4, '59.4 s'], [59.6, '1 min'], [60, '1 min'], [3599.9, '1 h'],
    [3660, '1 h 1 min'], [86399.9, '1 d'], [90_000, '1 d 1 h'], [-120, '-2 min'],
  ])
  assert.equal(ago(1000, 200), 'just now')
  assert.equal(ago(0, 200_000), '3 min 20 s ago')
})

test('times are local and sortable, versions as people name them', () => {
  assert.equal(moment(new Date(2026, 0, 31, 9, 5).getTime()), '2026-01-31 09:05')
  each(version, [[150013, '15.13'], [180000, '18.0']])
})

test('a column of any collector finds its unit', () => {
  const unit = (collector, column) =>
    unitOf(collectors.find(({ name }) => name === collector).columns.find(({ name }) => name === column))
  assert.equal(unit('server', 'started_at'), 'time')
  assert.equal(unit('server', 'in_recovery'), 'yes')
  assert.equal(unit('slots', 'safe_wal_size'), 'bytes')
  assert.equal(unit('slots', 'inactive_since'), 'time')
  assert.equal(unit('slots', 'active'), 'yes')
  assert.equal(unit('databases', 'size_bytes'), 'bytes')
  assert.equal(unit('databases', 'block_read_ms'), 'ms')
  assert.equal(unit('wal', 'bytes'), 'bytes')
  assert.equal(unit('statements', 'mean_exec_time'), 'ms')
  assert.equal(unit('statements', 'queryid'), 'text')
  assert.equal(unit('statements', 'hit_percent'), 'percent')
  assert.equal(unit('statements', 'calls'), 'count')
  assert.equal(unit('sequences', 'used'), 'share')
  assert.equal(unit('connections', 'used'), 'number')
  assert.equal(unit('replica', 'replayed_seconds_ago'), 'seconds')
  assert.equal(unit('tables', 'autovacuum_enabled'), 'yes')
  assert.equal(unit('tables', 'last_autovacuum'), 'time')
  assert.equal(unit('tables', 'seconds_since_vacuum'), 'seconds')
  assert.equal(unit('indexes', 'valid'), 'yes')
})
