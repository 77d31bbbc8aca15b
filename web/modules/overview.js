// The first screen: verdicts, then eight charts.

import { Unreachable } from './api.js'
import { chart } from './chart.js'
import { charts } from './charts.js'
import { el, gapNotes } from './element.js'
import { ranges } from './location.js'
import { headline, verdictList, worst } from './verdicts.js'

const points = 180
const kept = 'lyceum.disk'

/** @type {App} */
let app
/** @type {ReturnType<typeof verdictList> | null} */
let list = null
/** @type {Verdict[]} */
let judged = []
/** @type {{spec: import('./charts.js').Chart, shown: ReturnType<typeof chart>}[]} */
let drawn = []
let drawnFor = ''
let drawnAt = 0
const title = el('h2', { class: 'headline', 'data-part': 'headline' }, 'Reading…')
const note = el('p', { class: 'empty', hidden: true })

/** @returns {number | null} bytes */
function limit() {
  try {
    const gigabytes = Number(localStorage.getItem(kept))
    return gigabytes > 0 ? gigabytes * 2 ** 30 : null
  } catch {
    return null
  }
}

// How large the disk is no server says: whoever looks may.
function limitField() {
  const field = el('input', { type: 'number', min: '0', step: 'any', id: 'disk', placeholder: 'none' })
  const known = limit()
  if (known !== null) field.value = String(known / 2 ** 30)
  field.addEventListener('change', () => {
    try {
      localStorage.setItem(kept, field.value)
    } catch {
      // Then it is not kept.
    }
    drawnFor = ''
    void overview.refresh()
  })
  return el('label', { class: 'field' }, 'Disk, GB ', field)
}

async function drawCharts() {
  const { range, node } = app.place()
  const wanted = `${range} ${node}`
  const span = ranges[range]
  // A point of a long range is older than a poll: there is nothing new to draw sooner.
  if (wanted === drawnFor && app.now() - drawnAt < span / points) return
  const before = drawnFor
  drawnFor = wanted
  drawnAt = app.now()
  const to = app.now()
  const from = to - span
  const failures = await Promise.all(
    drawn.map(async ({ spec, shown }) => {
      try {
        const drawing = await spec.load(app.api, { from, to, points }, { limit: limit() })
        // Somebody chose another range meanwhile.
        if (drawnFor !== wanted) return null
        shown.draw({ why: 'Not enough history in this range.', ...drawing, from, to: drawing.to ?? to })
        const gaps = drawing.lines.length === 0 ? await app.gaps(spec.collectors) : []
        shown.below.querySelectorAll('.gap').forEach((gap) => gap.remove())
        shown.below.append(...gapNotes(gaps))
        return null
      } catch (error) {
        // What was drawn stays while nothing answers.
        if (!(error instanceof Unreachable) || shown.element.dataset.state !== 'drawn') {
          shown.say(error instanceof Unreachable ? 'No answer yet.' : /** @type {Error} */ (error).message)
        }
        return error
      }
    }),
  )
  if (failures.some((failure) => failure instanceof Unreachable)) drawnFor = before === wanted ? '' : before
}

/** @type {Section} */
export const overview = {
  id: 'overview',
  title: 'Overview',
  key: 'o',
  mount(container, owner) {
    app = owner
    list = verdictList((change) => app.go(change))
    drawn = charts.map((spec) => ({ spec, shown: chart({ id: spec.id, title: spec.title, about: spec.about, sync: 'overview' }) }))
    drawn.find(({ spec }) => spec.id === 'size')?.shown.below.append(limitField())
    container.append(
      el('section', { class: 'judged', 'aria-label': 'Verdicts' }, title, note, list.element),
      el('section', { class: 'charts', 'aria-label': 'Charts' }, ...drawn.map(({ shown }) => shown.element)),
    )
    list.update(judged)
  },
  async refresh() {
    await drawCharts()
  },
  close: () => list?.close() ?? false,
}

/** @param {Verdict[]} verdicts */
export function showVerdicts(verdicts) {
  title.textContent = headline(verdicts)
  title.dataset.severity = verdicts.length > 0 ? worst(verdicts) : ''
  note.hidden = verdicts.length > 0
  note.textContent = 'Not enough history: the monitor has just begun to read.'
  judged = verdicts
  list?.update(verdicts)
}

/** What was judged before stays. @param {string} text */
export function showNoVerdicts(text) {
  if (judged.length > 0) return
  title.textContent = 'Nothing has been judged yet'
  note.hidden = false
  note.textContent = text
}

/** @param {number} by */
export const moveVerdict = (by) => list?.move(by)
