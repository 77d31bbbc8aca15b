// The page: where one is, what is polled, which keys do what.

import { alerts } from './alerts.js'
import { connectApi, Refused, Unreachable } from './api.js'
import { byId, el } from './element.js'
import { keyReader } from './keyboard.js'
import { formatPlace, home, parsePlace, ranges } from './location.js'
import { moveVerdict, overview, showNoVerdicts, showVerdicts } from './overview.js'
import { blocking, collectors, indexes, nodes, shards, statements, transactions, vacuum } from './sections.js'
import { nextTheme, startTheme, theme } from './theme.js'
import { ago, clock } from './units.js'
import { headline, placeOf, worst } from './verdicts.js'

const interval = 10_000
const shortest = 1_000
const kept = 5_000

/** @type {Section[]} */
const sections = [
  overview, statements, blocking, transactions, vacuum, indexes, nodes, shards, alerts, collectors,
]
const ids = sections.map(({ id }) => id)
const now = () => Date.now()

let place = parsePlace(location.hash, ids)
let paused = false
/** @type {number | null} */
let failingSince = null
let failure = ''
let answeredAt = 0
let nextAt = 0
let failures = 0

const api = connectApi({
  now,
  node: () => place.node,
  onState(since, why) {
    failingSince = since
    failure = why
    if (since === null) {
      failures = 0
      answeredAt = now()
    }
  },
})

/**
 * What hardly changes is asked once in a while, and once for all who ask at the same time.
 * @template T
 * @param {() => Promise<T>} ask
 * @param {number} lasts ms
 */
function remembered(ask, lasts) {
  /** @type {Promise<T> | null} */
  let answer = null
  let at = 0
  return () => {
    if (answer === null || now() - at > lasts) {
      at = now()
      answer = ask()
      answer.catch(() => (answer = null))
    }
    return answer
  }
}

const described = remembered(() => api.collectors(), 60_000)
const collected = remembered(() => api.latest('collectors').catch((error) => {
  if (error instanceof Unreachable) throw error
  return []
}), kept)

/** @type {Map<string, HTMLElement>} */
const counts = new Map()

/** @type {App} */
const app = {
  api,
  place: () => place,
  go,
  now,
  announce: (text) => (byId('announce').textContent = text),
  described: async (name) => (await described()).find((collector) => collector.name === name),
  async gaps(names) {
    const samples = await collected()
    return samples.flatMap(({ node, database, rows }) =>
      rows
        .filter((row) => names.includes(String(row.collector)) && row.state !== 'running')
        .map((row) => ({
          collector: String(row.collector),
          node,
          database,
          state: String(row.state ?? ''),
          why: String(row.last_error ?? ''),
          mend: String(row.mend ?? ''),
        })),
    )
  },
}

/**
 * How many verdicts or alerts wait in a section.
 * @param {string} section
 * @param {{severity: Severity}[]} found
 */
function countIn(section, found) {
  const mark = counts.get(section)
  if (!mark) return
  mark.textContent = found.length > 0 ? String(found.length) : ''
  mark.className = `count ${worst(found)}`
}

// Where one is.

/** @type {Map<string, HTMLElement>} */
const mounted = new Map()

const current = () => /** @type {Section} */ (sections.find(({ id }) => id === place.section))

/** @param {Partial<Place>} change */
function go(change) {
  const next = { ...place, ...change }
  const hash = formatPlace(next)
  // A new section is a step to go back from; a filter that is being typed is not.
  if (next.section !== place.section) history.pushState(null, '', hash)
  else history.replaceState(null, '', hash)
  arrive(next)
}

/** @param {Place} next */
function arrive(next) {
  const moved = next.section !== place.section || mounted.size === 0
  const asksAnew = moved || next.range !== place.range || next.node !== place.node
  place = next
  const section = current()
  if (moved) {
    for (const container of mounted.values()) container.hidden = true
    let container = mounted.get(section.id)
    if (!container) {
      container = el('div', { class: 'section', id: `section-${section.id}` })
      mounted.set(section.id, container)
      byId('main').append(container)
      section.mount(container, app)
    }
    container.hidden = false
    byId('title').textContent = section.title
    byId('sections').querySelectorAll('a').forEach((link) => {
      if (link.dataset.section === section.id) link.setAttribute('aria-current', 'page')
      else link.removeAttribute('aria-current')
    })
    byId('filter-field').hidden = !section.filter
    closeMenu()
    scrollTo(0, 0)
  }
  byId('ranges').hidden = !['overview', 'statements'].includes(section.id)
  byId('ranges').querySelectorAll('button').forEach((button) =>
    button.setAttribute('aria-pressed', String(button.dataset.range === place.range)),
  )
  byId('sections').querySelectorAll('a').forEach((link) => {
    const { range, node } = place
    link.href = formatPlace({ ...home, section: link.dataset.section ?? '', range, node })
  })
  const filter = /** @type {HTMLInputElement} */ (byId('filter'))
  if (filter.value !== place.filter && document.activeElement !== filter) filter.value = place.filter
  section.filter?.(place.filter)
  if (asksAnew) void poll()
}

// What is polled.

// The newest poll goes on; one that was begun before, for another section or range, ends in silence.
let newest = 0
let polling = false
let said = ''
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer

async function poll() {
  const own = ++newest
  polling = true
  clearTimeout(timer)
  const section = current()
  const container = mounted.get(section.id)
  const results = await Promise.allSettled([judge(), nodesKnown(), section.refresh()])
  for (const result of results) {
    // What is neither is a fault of this page.
    if (result.status === 'rejected' && !(result.reason instanceof Refused || result.reason instanceof Unreachable)) {
      console.error(result.reason)
    }
  }
  if (own !== newest) return
  const [judged, , refreshed] = results
  if (judged.status === 'rejected') showNoVerdicts(judged.reason instanceof Unreachable ? 'No answer yet.' : judged.reason.message)
  const trouble = container?.querySelector(':scope > .trouble')
  trouble?.remove()
  if (refreshed.status === 'rejected' && !(refreshed.reason instanceof Unreachable)) {
    container?.prepend(el('p', { class: 'trouble', role: 'status' }, `Not shown: ${refreshed.reason.message}`))
  }
  section.filter?.(place.filter)
  if (failingSince !== null) ++failures
  polling = false
  plan()
  showState()
}

function plan() {
  clearTimeout(timer)
  if (paused || document.hidden) return
  const wait = failingSince === null ? interval : Math.min(interval, shortest * 2 ** Math.min(failures, 4))
  nextAt = now() + wait
  timer = setTimeout(poll, wait)
}

async function judge() {
  const [{ verdicts }, firing] = await Promise.all([
    api.verdicts(),
    api.alerts().catch((error) => {
      if (error instanceof Unreachable) throw error
      return []
    }),
  ])
  showVerdicts(verdicts)
  const bad = verdicts.filter(({ severity }) => severity === 'critical' || severity === 'warning')
  for (const { id } of sections) countIn(id, bad.filter((verdict) => placeOf(verdict).section === id))
  countIn('overview', bad)
  countIn('alerts', firing.filter(({ state }) => state === 'firing'))
  const critical = verdicts.filter(({ severity }) => severity === 'critical').length
  document.title = `${critical > 0 ? `(${critical}) ` : ''}Lyceum`
  const now = verdicts.map(({ rule, node, database, labels, severity }) =>
    JSON.stringify([rule, node, database, labels, severity])).join()
  if (said !== '' && said !== now) app.announce(`Verdicts have changed: ${headline(verdicts)}`)
  said = now
}

/** The nodes that there are, for the choice of one. */
async function nodesKnown() {
  const select = /** @type {HTMLSelectElement} */ (byId('node'))
  const names = new Set([...select.options].map(({ value }) => value).filter((value) => value !== ''))
  for (const { node } of await collected()) if (node !== '') names.add(node)
  if (place.node !== '') names.add(place.node)
  if (select.options.length !== names.size + 1) {
    select.replaceChildren(
      el('option', { value: '' }, 'all'),
      ...[...names].sort().map((name) => el('option', { value: name }, name)),
    )
  }
  select.value = place.node
  byId('node-field').hidden = names.size < 2
}

function showState() {
  const state = byId('state')
  const banner = byId('banner')
  if (failingSince !== null) {
    state.dataset.state = 'failing'
    byId('state-text').textContent = 'No answer'
    const wait = Math.max(0, Math.ceil((nextAt - now()) / 1000))
    const last = answeredAt > 0 ? ` What is shown is of ${clock(answeredAt)}.` : ''
    const text = `The admin API has not answered since ${clock(failingSince)} (${ago(failingSince, now())}): ${failure}.${last}`
    // Read out once, not each second.
    if (banner.hidden || banner.dataset.since !== String(failingSince)) {
      banner.dataset.since = String(failingSince)
      banner.replaceChildren(el('span', {}), el('span', { 'aria-hidden': 'true' }))
    }
    banner.children[0].textContent = text
    banner.children[1].textContent = polling ? ' Trying…' : paused ? ' Paused.' : ` Trying again in ${wait} s.`
    banner.hidden = false
  } else {
    banner.hidden = true
    state.dataset.state = paused ? 'paused' : answeredAt > 0 ? 'live' : 'waiting'
    byId('state-text').textContent = answeredAt > 0 ? `${paused ? 'Paused' : 'Live'}, ${clock(answeredAt)}` : 'Reading…'
  }
  byId('main').classList.toggle('stale', failingSince !== null && answeredAt > 0)
}

/** @param {boolean} pause */
function setPaused(pause) {
  paused = pause
  byId('pause').setAttribute('aria-pressed', String(paused))
  byId('pause').textContent = paused ? 'Go on' : 'Pause'
  showState()
  if (paused) clearTimeout(timer)
  else void poll()
}

// What is pressed.

const help = /** @type {HTMLDialogElement} */ (byId('help'))

function closeMenu() {
  byId('menu').setAttribute('aria-expanded', 'false')
  byId('sections').classList.remove('shown')
}

function showTheme() {
  byId('theme').textContent = `Theme: ${theme()}`
}

/** @param {number} by */
function move(by) {
  const section = current()
  if (section === overview) {
    moveVerdict(by)
    return
  }
  const tables = section.tables?.() ?? []
  const focused = tables.findIndex((table) => table.element.contains(document.activeElement))
  if (focused >= 0 && tables[focused].move(by)) return
  // Past a table's end comes the next one that has rows.
  const rest = by > 0 ? tables.slice(focused + 1) : focused < 0 ? [] : tables.slice(0, focused).reverse()
  const focus = /** @type {HTMLElement | null} */ (document.activeElement)
  for (const table of rest) {
    focus?.blur()
    if (table.move(by)) return
  }
}

const read = keyReader({ now, sections: Object.fromEntries(sections.map(({ key, id }) => [key, id])) })

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return
  const target = /** @type {HTMLElement} */ (event.target)
  if (target.closest('input, select, textarea')) {
    if (event.key !== 'Escape') return
    // Out of the field, with what it says.
    event.preventDefault()
    target.blur()
    return
  }
  if (help.open) return
  const key = read(event.key)
  if (key === null) return
  event.preventDefault()
  switch (key.action) {
    case 'section': {
      const { range, node } = place
      go({ ...home, section: key.value, range, node })
      byId('main').focus()
      break
    }
    case 'help':
      help.showModal()
      break
    case 'filter':
      if (!byId('filter-field').hidden) {
        const field = /** @type {HTMLInputElement} */ (byId('filter'))
        field.focus()
        field.select()
      }
      break
    case 'move':
      move(Number(key.value))
      break
    case 'theme':
      nextTheme()
      showTheme()
      break
    case 'pause':
      setPaused(!paused)
      break
    case 'range':
      go({ range: Object.keys(ranges)[Number(key.value) - 1] })
      break
    case 'close':
      closeMenu()
      current().close?.()
      break
  }
}

/** @type {[string, string][]} */
const keys = [
  ['?', 'these keys'],
  ['j  k', 'next and previous row or verdict'],
  ['Enter', 'open it'],
  ['Esc', 'close it; leave the filter'],
  ['/', 'filter the rows'],
  ['1 … 5', `range of time: ${Object.keys(ranges).join(', ')}`],
  ['t', 'theme: system, light, dark'],
  ['p', 'pause, go on'],
  ...sections.map(({ key, title }) => /** @type {[string, string]} */ ([`g ${key}`, title])),
]

function start() {
  startTheme()
  showTheme()
  byId('sections').append(
    ...sections.map(({ id, title }) => {
      const mark = el('span', { class: 'count' })
      counts.set(id, mark)
      return el('a', { href: `#${id}`, 'data-section': id, onclick: closeMenu }, el('span', {}, title), mark)
    }),
  )
  byId('ranges').append(
    ...Object.keys(ranges).map((range) =>
      el('button', { type: 'button', 'data-range': range, onclick: () => go({ range }) }, range),
    ),
  )
  byId('keys').append(
    ...keys.map(([key, does]) =>
      el('div', {}, el('dt', {}, ...key.split(/\s+/).map((one) => (one === '…' ? '…' : el('kbd', {}, one)))), el('dd', {}, does)),
    ),
  )
  byId('menu').addEventListener('click', () => {
    const shown = byId('sections').classList.toggle('shown')
    byId('menu').setAttribute('aria-expanded', String(shown))
  })
  byId('skip').addEventListener('click', (event) => {
    event.preventDefault()
    byId('main').focus()
  })
  byId('node').addEventListener('change', (event) =>
    go({ node: /** @type {HTMLSelectElement} */ (event.target).value }),
  )
  byId('filter').addEventListener('input', (event) =>
    go({ filter: /** @type {HTMLInputElement} */ (event.target).value }),
  )
  byId('filter').addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return
    byId('filter').blur()
    move(1)
  })
  byId('theme').addEventListener('click', () => {
    nextTheme()
    showTheme()
  })
  byId('pause').addEventListener('click', () => setPaused(!paused))
  byId('help-open').addEventListener('click', () => help.showModal())
  addEventListener('keydown', pressed)
  addEventListener('hashchange', () => arrive(parsePlace(location.hash, ids)))
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) clearTimeout(timer)
    else if (!paused) void poll()
  })
  setInterval(() => {
    if (failingSince !== null && !document.hidden) showState()
  }, 1000)
  arrive(place)
}

start()
