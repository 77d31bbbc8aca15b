import assert from 'node:assert/strict'
import { test } from 'node:test'

import { connectApi, Refused, Unreachable } from '../modules/api.js'
import { charts } from '../modules/charts.js'
import { keyReader } from '../modules/keyboard.js'
import { formatPlace, home, parsePlace } from '../modules/location.js'
import { headline, placeOf, worst } from '../modules/verdicts.js'
import { series, states } from './states.mjs'

const sections = ['overview', 'statements']

test('a place survives its address, whatever is in it', () => {
  for (const place of [home, { section: 'statements', range: '7d', filter: 'a & b?#=% <img>', node: 'db1:5432', open: '["x",null]' }]) {
    assert.deepEqual(parsePlace(formatPlace(place), sections), place)
  }
  assert.equal(formatPlace(home), '#overview')
  assert.deepEqual(parsePlace('#nowhere?range=1y&filter=x', sections), { ...home, filter: 'x' })
  assert.deepEqual(parsePlace('', sections), home)
  assert.deepEqual(parsePlace('#statements?range=toString', sections).range, home.range)
})

test('keys act alone, or after g within a second and a half', () => {
  let now = 0
  const read = keyReader({ sections: { s: 'statements' }, now: () => now })
  assert.deepEqual(read('t'), { action: 'theme', value: '' })
  assert.equal(read('g'), null)
  assert.deepEqual(read('s'), { action: 'section', value: 'statements' })
  assert.equal(read('s'), null)
  read('g')
  assert.equal(read('x'), null)
  read('g')
  now = 2000
  assert.deepEqual(read('j'), { action: 'move', value: '1' })
  assert.deepEqual(read('3'), { action: 'range', value: '3' })
  assert.equal(read('9'), null)
  read('g')
  assert.equal(read('constructor'), null)
})

test('verdicts have a headline and a place', () => {
  const verdict = (severity, more = {}) => ({ severity, collector: 'tables', labels: {}, ...more })
  assert.equal(headline([]), 'Nothing has been judged yet')
  assert.equal(headline([verdict('ok')]), 'All is well')
  assert.equal(headline([verdict('critical'), verdict('warning'), verdict('ok')]), '1 critical, 1 warning')
  assert.equal(headline([verdict('warning'), verdict('warning'), verdict('info')]), '2 warnings, 1 note')
  assert.equal(worst([verdict('ok'), verdict('info'), verdict('warning')]), 'warning')
  assert.deepEqual(placeOf(verdict('ok', { labels: { schemaname: 'public', relname: 'audit' } })), { section: 'vacuum', filter: 'audit' })
  assert.deepEqual(placeOf(verdict('ok', { collector: 'unheard of' })), { section: 'collectors', filter: 'unheard of' })
})

test('the API tells since when nothing answers, and refusals from silence', async () => {
  const heard = []
  let now = 1000
  let answer = () => Promise.reject(new TypeError('Failed to fetch'))
  const asked = []
  const api = connectApi({
    now: () => now, node: () => 'db1:5432', onState: (since, why) => heard.push([since, why]),
    fetch: (target) => (asked.push(target), answer()),
  })
  await assert.rejects(api.verdicts(), Unreachable)
  now = 2000
  answer = () => Promise.resolve(new Response('Bad Gateway', { status: 502 }))
  await assert.rejects(api.verdicts(), Unreachable)
  assert.deepEqual(heard.map(([since]) => since), [1000, 1000])
  answer = () => Promise.resolve(Response.json({ detail: 'no such collector' }, { status: 400 }))
  await assert.rejects(api.latest('x'), (error) => error instanceof Refused && /no such collector/.test(error.message))
  assert.deepEqual(heard.at(-1), [null, ''])
  answer = () => Promise.resolve(new Response('<html>'))
  await assert.rejects(api.alerts(), Refused)
  answer = () => Promise.resolve(Response.json(null))
  await assert.rejects(api.alerts(), Refused)
  answer = () => Promise.resolve(Response.json({ series: [] }))
  await api.series({ collector: 'a', column: 'b', by: ['c', 'd'], where: { database: '<&>' } }, { from: 1.4, to: 2, points: 9 })
  assert.equal(asked.at(-1), '/v1/admin/series?node=db1%3A5432&database=%3C%26%3E&collector=a&column=b&by=c%2Cd&from=1&to=2&points=9')
})

/** @param {string} state */
const apiOf = (state, now) => ({
  series: async ({ by, where, ...query }, span) =>
    series(states[state](now), { ...query, ...where, by: by?.join(','), ...span }).series,
})

test('the charts say of a bad state what is true of it', async () => {
  const now = Date.now()
  const span = { from: now - 3_600_000, to: now, points: 60 }
  const drawn = Object.fromEntries(
    await Promise.all(charts.map(async (spec) => [spec.id, await spec.load(apiOf('bad', now), span, { limit: 300 * 2 ** 30 })])),
  )
  assert.equal(charts.length, 8)
  for (const [id, { lines }] of Object.entries(drawn)) assert.ok(lines.length > 0, id)
  const last = (id, label) => drawn[id].lines.find((line) => line.label === label).points.at(-1)[1]
  assert.equal(Math.round(last('sessions', 'waits: lock')), 82)
  assert.equal(Math.round(last('sessions', 'idle in transaction')), 8)
  assert.equal(Math.round(last('lag', 'db2:5432')), 340)
  assert.equal(last('connections', 'limit'), 197)
  assert.match(drawn.connections.note, /^95\.9 % used on db1:5432$/)
  assert.match(drawn.wraparound.note, /^learning: 1\.71 G, 79\.7 %/)
  // Three nodes have the same databases: they count once.
  assert.ok(Math.abs(last('size', 'all') / 2 ** 30 - 250) < 1)
  assert.match(drawn.size.note, /^\+1\.\d+ GB a day; 300 GB in \d+ d/)
  assert.ok(drawn.throughput.lines[0].points.some(([, value]) => value === null), 'a reset is a gap')
})

test('the charts fall back to what servers know, and to nothing', async () => {
  const now = Date.now()
  const span = { from: now - 3_600_000, to: now, points: 60 }
  for (const spec of charts) {
    assert.deepEqual((await spec.load(apiOf('empty', now), span, { limit: null })).lines, [], spec.id)
  }
  const state = states.healthy(now)
  delete state.samples.client_statements
  const api = { series: async ({ by, where, ...query }, of) => series(state, { ...query, ...where, by: by?.join(','), ...of }).series }
  const load = (id) => charts.find((spec) => spec.id === id).load(api, span, { limit: null })
  assert.deepEqual((await load('throughput')).lines.map(({ label }) => label), ['commits', 'rollbacks'])
  assert.deepEqual((await load('latency')).lines.map(({ label }) => label), ['mean'])
})
