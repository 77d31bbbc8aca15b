import assert from 'node:assert/strict'
import { test } from 'node:test'

import { day, reaches, straightLine } from '../modules/forecast.js'
import { joined, largest, newest, quotient, stacked, total } from '../modules/series.js'

test('series with other times are put side by side: gaps stay gaps, other times do not', () => {
  assert.deepEqual(joined([]), [[]])
  assert.deepEqual(joined([[[1000, 1], [3000, null]], [[2000, 5], [3000, 6]]]), [
    [1, 2, 3],
    [1, undefined, null],
    [undefined, 5, 6],
  ])
})

test('sums, quotients and stacks know what is not known', () => {
  assert.deepEqual(total([[[1, 1], [2, null], [3, null]], [[1, 2], [2, 4], [3, null]]]), [[1, 3], [2, 4], [3, null]])
  assert.deepEqual(quotient([[1, 10], [2, 10], [3, null], [4, 1]], [[1, 4], [2, 0], [3, 1]]), [
    [1, 2.5], [2, null], [3, null], [4, null],
  ])
  assert.deepEqual(stacked([]), [])
  assert.deepEqual(stacked([[1, null, null], [2, 3, null]]), [[1, 0, null], [3, 3, null]])
  assert.equal(newest([[1, 5], [2, null]]), 5)
  assert.equal(newest([]), null)
})

test('the largest are shown, and the rest together', () => {
  const one = (label, value) => ({ label, points: [[1, value]] })
  assert.deepEqual(largest([one('a', 1), one('b', 3)], 2, 'rest').map(({ label }) => label), ['b', 'a'])
  assert.deepEqual(largest([one('a', 1), one('b', 3), one('c', 2)], 2, 'rest'), [one('b', 3), one('rest', 3)])
})

test('a straight line goes on straight, from times of today', () => {
  const start = Date.UTC(2026, 0, 1)
  const points = Array.from({ length: 50 }, (_, at) => [start + at * 60_000, 1e12 + at * 1e6])
  const line = straightLine(points)
  assert.ok(Math.abs(line.perDay - 1e6 * 1440) < 1)
  assert.ok(Math.abs(line.at(start + day) - (1e12 + 1440e6)) < 10)
  const now = start + 49 * 60_000
  const full = reaches(line, line.at(now) + 3 * line.perDay, now)
  assert.ok(Math.abs(full - (now + 3 * day)) < 1000)
  assert.equal(reaches(line, 5, now), now)
})

test('noise is evened out by least squares, and gaps are left out', () => {
  // By hand: n 4, x 6, y 8, xx 14, xy 17 make a slope of (4*17 - 6*8) / (4*14 - 36) = 1.
  const line = straightLine([[0, 1], [day, 1], [1.5 * day, null], [2 * day, 2], [3 * day, 4]])
  assert.ok(Math.abs(line.perDay - 1) < 1e-9)
  assert.ok(Math.abs(line.at(0) - 0.5) < 1e-9)
})

test('what cannot be foretold is not', () => {
  assert.equal(straightLine([]), null)
  assert.equal(straightLine([[1, 1], [2, 2]]), null)
  assert.equal(straightLine([[1, 1], [1, 2], [1, 3]]), null)
  const falling = straightLine([[0, 3], [day, 2], [2 * day, 1]])
  assert.equal(reaches(falling, 100, 2 * day), null)
  const creeping = straightLine([[0, 0], [day, 1e-6], [2 * day, 2e-6]])
  assert.equal(reaches(creeping, 100, 2 * day), null)
})
