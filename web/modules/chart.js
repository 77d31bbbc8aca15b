// A chart in a card: title, drawing, legend with figures, and a sentence in place of a drawing where
// there is nothing to draw. uPlot draws; cursors of all charts of a page move together.

import { el } from './element.js'
import { joined, newest, stacked } from './series.js'
import { colour, onTheme } from './theme.js'
import { clock, format, moment } from './units.js'

const height = 168
const hour = 3600

/** @param {Line['colour']} place */
const property = (place) => `--line-${place}`

/**
 * The same colour, fainter.
 * @param {string} rgb
 * @param {number} share
 */
const faint = (rgb, share) => rgb.replace('rgb(', 'rgba(').replace(')', `, ${share})`)

// Steps of the axis that read well; otherwise uPlot's own, of 1, 2 and 5.
const byteSteps = Array.from({ length: 51 }, (_, power) => 2 ** power)
const minute = 60
const day = 24 * hour
const secondSteps = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, minute, 2 * minute,
  5 * minute, 10 * minute, 15 * minute, 30 * minute, hour, 2 * hour, 6 * hour, 12 * hour, day,
  2 * day, 7 * day, 30 * day, 365 * day,
]
/** @type {Partial<Record<Unit, number[]>>} */
const steps = { bytes: byteSteps, 'bytes/s': byteSteps, seconds: secondSteps }

/**
 * Times under the axis: hours and minutes, and days where there are several.
 * @param {number[]} splits seconds since 1970
 */
function times(splits) {
  const step = splits.length > 1 ? splits[1] - splits[0] : hour
  return splits.map((at) => {
    const time = new Date(at * 1000)
    if (step >= day || (time.getHours() === 0 && time.getMinutes() === 0 && step >= hour)) {
      return time.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })
    }
    return clock(at * 1000).slice(0, step < 60 ? 8 : 5)
  })
}

/**
 * The lines of a logarithmic axis.
 * @param {any} _
 * @param {number} __
 * @param {number} least
 * @param {number} largest
 */
function powersOfTen(_, __, least, largest) {
  const powers = []
  for (let power = Math.round(Math.log10(least)); 10 ** power <= largest * 1.01; ++power) {
    powers.push(10 ** power)
  }
  return powers
}

/**
 * @param {{id: string, title: string, about?: string, sync?: string}} options
 */
export function chart({ id, title, about, sync }) {
  const note = el('p', { class: 'note' })
  const canvas = el('div', { class: 'canvas', role: 'img' })
  const legend = el('ul', { class: 'legend' })
  const said = el('p', { class: 'empty' }, 'Reading…')
  const below = el('div', { class: 'below' })
  const element = el(
    'section',
    { class: 'chart', 'data-chart': id, 'data-state': 'waiting' },
    el('h3', { title: about }, title),
    note,
    canvas,
    said,
    legend,
    below,
  )
  /** @type {InstanceType<typeof import('uplot')> | null} */
  let plot = null
  /** @type {Drawing | null} */
  let drawing = null
  let shape = ''
  /** @type {HTMLElement[]} */
  let figures = []
  /** @type {(number | null | undefined)[][]} */
  let values = []

  const width = () => Math.max(200, Math.floor(canvas.clientWidth))
  const resized = new ResizeObserver(() => plot?.setSize({ width: width(), height }))
  resized.observe(canvas)
  const unthemed = onTheme(() => plot?.redraw(false))

  /** @param {number | null | undefined} at index of a time, or nothing for now */
  function tell(at) {
    if (!drawing) return
    drawing.lines.forEach((line, index) => {
      const value = at == null ? newest(line.points) : (values[index][at] ?? null)
      figures[index].textContent = line.silent ? '' : format(value, /** @type {Drawing} */ (drawing).unit)
    })
  }

  /** @param {Drawing} drawn */
  function make(drawn) {
    plot?.destroy()
    const unit = drawn.unit
    const axis = {
      stroke: () => colour('--muted'),
      grid: { stroke: () => colour('--grid'), width: 1 },
      ticks: { show: false },
      font: '11px system-ui, sans-serif',
      gap: 6,
    }
    const data = prepare(drawn)
    plot = new uPlot(
      {
        width: width(),
        height,
        padding: [8, 18, 0, 0],
        legend: { show: false },
        cursor: {
          y: false,
          drag: { x: false, y: false },
          points: { size: 6 },
          ...(sync ? { sync: { key: sync, scales: ['x', null], setSeries: false } } : {}),
        },
        scales: {
          x: {
            time: true,
            range: () => {
              const { from, to } = /** @type {Drawing} */ (drawing)
              return [from / 1000, to / 1000]
            },
          },
          y: {
            distr: drawn.logarithmic ? 3 : 1,
            range: (/** @type {any} */ _, /** @type {number} */ least, /** @type {number} */ largest) => {
              if (least == null || largest == null) return drawn.logarithmic ? [1, 10] : [0, 1]
              if (drawn.logarithmic) {
                const low = 10 ** Math.floor(Math.log10(least))
                return [low, Math.max(low * 10, 10 ** Math.ceil(Math.log10(largest)))]
              }
              if (!drawing?.floating) return [0, largest > 0 ? largest * 1.08 : 1]
              const margin = (largest - least || Math.abs(largest) || 1) * 0.12
              return [Math.max(0, least - margin), largest + margin]
            },
          },
        },
        series: [
          {},
          ...drawn.lines.map((line, index) => ({
            label: line.label,
            stroke: () => colour(property(line.colour)),
            width: line.dash ? 1.25 : 1.5,
            dash: line.dash ? [5, 4] : undefined,
            points: { show: false },
            spanGaps: false,
            fill: fillOf(drawn, index),
          })),
        ],
        bands: drawn.lines.flatMap((line, index) =>
          line.stack && drawn.lines[index - 1]?.stack
            ? [
                {
                  series: /** @type {[number, number]} */ ([index + 1, index]),
                  fill: () => faint(colour(property(line.colour)), 0.35),
                },
              ]
            : [],
        ),
        axes: [
          { ...axis, values: (/** @type {any} */ _, /** @type {number[]} */ splits) => times(splits), space: 56, size: 26 },
          {
            ...axis,
            values: (/** @type {any} */ _, /** @type {number[]} */ splits) =>
              splits.map((value) => (value === 0 ? '0' : value === null ? '' : format(value, unit))),
            size: 62,
            space: 34,
            ...(drawn.logarithmic ? { splits: powersOfTen } : steps[unit] ? { incrs: steps[unit] } : {}),
          },
        ],
        hooks: {
          setCursor: [(/** @type {any} */ { cursor }) => tell(cursor.left >= 0 ? cursor.idx : null)],
        },
      },
      /** @type {any} */ (data),
      canvas,
    )
    figures = drawn.lines.map(() => el('b'))
    legend.replaceChildren(
      ...drawn.lines.map((line, index) =>
        el(
          'li',
          {},
          el('i', { class: `swatch ${line.dash ? 'dash' : ''}`, 'data-line': line.colour }),
          el('span', {}, line.label),
          figures[index],
        ),
      ),
    )
  }

  /**
   * @param {Drawing} drawn
   * @param {number} index
   */
  function fillOf(drawn, index) {
    const line = drawn.lines[index]
    const lowest = line.stack && !drawn.lines[index - 1]?.stack
    const alone = drawn.lines.length === 1 && !line.dash
    if (!lowest && !alone) return undefined
    return () => faint(colour(property(line.colour)), lowest ? 0.35 : 0.12)
  }

  /** @param {Drawing} drawn */
  function prepare(drawn) {
    const [x, ...y] = joined(drawn.lines.map(({ points }) => points))
    values = y
    const piled = stacked(y.filter((_, index) => drawn.lines[index].stack))
    let next = 0
    return [x, ...y.map((one, index) => (drawn.lines[index].stack ? piled[next++] : one))]
  }

  return {
    element,
    below,
    /** @param {Drawing} drawn */
    draw(drawn) {
      drawing = drawn
      note.textContent = drawn.lines.length > 0 ? (drawn.note ?? '') : ''
      if (drawn.lines.length === 0) {
        this.say(drawn.why ?? 'Nothing to show.')
        return
      }
      element.dataset.state = 'drawn'
      said.hidden = true
      canvas.hidden = legend.hidden = false
      const wanted = JSON.stringify([drawn.unit, drawn.logarithmic, drawn.lines.map(({ points, ...line }) => line)])
      if (wanted !== shape || !plot) {
        shape = wanted
        make(drawn)
      } else {
        plot.setData(/** @type {any} */ (prepare(drawn)))
      }
      tell(plot?.cursor.left != null && plot.cursor.left >= 0 ? plot.cursor.idx : null)
      canvas.setAttribute(
        'aria-label',
        `${title}, ${moment(drawn.from)} to ${moment(drawn.to)}. Newest: ${drawn.lines
          .map((line) => `${line.label} ${format(newest(line.points), drawn.unit)}`)
          .join(', ')}`,
      )
    },
    /** @param {string} text */
    say(text) {
      plot?.destroy()
      plot = null
      shape = ''
      element.dataset.state = 'empty'
      said.textContent = text
      said.hidden = false
      canvas.hidden = legend.hidden = true
      legend.replaceChildren()
    },
    destroy() {
      resized.disconnect()
      unthemed()
      plot?.destroy()
      plot = null
    },
  }
}
