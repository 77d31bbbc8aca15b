// A table: sorted by its headers, filtered, one row of it current, rows that open. What is shown
// again keeps its place, its focus and what is open.

import { el } from './element.js'
import { matches, sorted } from './order.js'
import { format } from './units.js'

const most = 200

/**
 * @param {{
 *   id: string, title: string, columns: TableColumn[], sort?: string, descending?: boolean,
 *   key: (row: any) => string, texts: (row: any) => (Cell | undefined)[],
 *   empty: string, note?: string,
 *   detail?: (row: any) => Node, onOpen?: (key: string) => void,
 *   mark?: (row: any) => string}} options
 *   sort: a column's id; without one rows keep the order they come in. mark: a class of the row.
 * @returns {DataTable}
 */
export function dataTable({
  id, title, columns, sort = '', descending = true, key, texts, empty, note, detail, onOpen, mark,
}) {
  /** @type {any[]} */
  let rows = []
  let words = ''
  let all = false
  let current = ''
  let opened = ''
  /** @type {HTMLTableRowElement | null} */
  let detailRow = null
  /** @type {Map<string, {line: HTMLTableRowElement, cells: HTMLTableCellElement[], shown: string[], row: any, button: HTMLButtonElement | null}>} */
  const lines = new Map()

  const headers = columns.map((column) => {
    const button = el('button', { type: 'button', title: column.title }, column.label)
    const header = el('th', { scope: 'col', class: isNumber(column) ? 'number' : null }, button)
    button.addEventListener('click', () => {
      descending = sort === column.id ? !descending : isNumber(column)
      sort = column.id
      show()
    })
    return header
  })
  const head = el('tr', {}, ...(detail ? [el('th', { class: 'opener' }, el('span', { class: 'aside' }, 'Open'))] : []), ...headers)
  const body = el('tbody')
  const table = el(
    'table',
    { id: `table-${id}` },
    el('caption', { class: 'aside' }, title),
    el('thead', {}, head),
    body,
  )
  const box = el('div', { class: 'box', role: 'region', 'aria-label': title, tabindex: '0' }, table)
  const counted = el('span', { class: 'counted' })
  const said = el('p', { class: 'empty' })
  const more = el('button', { type: 'button', class: 'more', hidden: true })
  more.addEventListener('click', () => {
    all = true
    show()
  })
  const element = el(
    'section',
    { class: 'table', 'data-table': id },
    el('h3', {}, title, ' ', counted),
    note ? el('p', { class: 'note' }, note) : null,
    box,
    said,
    more,
  )

  /** @param {string} name */
  function makeLine(name) {
    const line = el('tr', { 'data-key': name, tabindex: '-1' })
    /** @type {HTMLButtonElement | null} */
    let button = null
    if (detail) {
      button = el('button', { type: 'button', class: 'open', 'aria-expanded': 'false' })
      button.append(el('span', { 'aria-hidden': 'true' }, '▸'))
      line.append(el('td', { class: 'opener' }, button))
      line.addEventListener('click', (event) => {
        // Who marks text in order to copy it does not want the row to open.
        if (String(getSelection() ?? '') === '' || button?.contains(/** @type {Node} */ (event.target))) {
          toggle(name)
        }
      })
      line.addEventListener('keydown', (event) => {
        if (event.key !== 'Enter' || event.target !== line) return
        event.preventDefault()
        toggle(name)
      })
    }
    line.addEventListener('focusin', () => setCurrent(name))
    const cells = columns.map((column, at) => {
      const cell = at === 0 ? el('th', { scope: 'row' }) : el('td')
      if (isNumber(column)) cell.classList.add('number')
      if (column.wide) cell.classList.add('wide')
      line.append(cell)
      return cell
    })
    return { line, cells, shown: columns.map(() => ''), row: null, button }
  }

  /** @param {string} name */
  function setCurrent(name) {
    const before = lines.get(current)
    if (before) before.line.tabIndex = -1
    current = name
    const now = lines.get(current)
    if (now) now.line.tabIndex = 0
  }

  /** @param {string} name */
  function toggle(name) {
    if (opened === name) {
      shut()
      return
    }
    shut()
    const found = lines.get(name)
    if (!found || !detail) return
    opened = name
    found.button?.setAttribute('aria-expanded', 'true')
    found.line.classList.add('opened')
    detailRow = el(
      'tr',
      { class: 'detail' },
      el('td', { colspan: columns.length + 1 }, el('div', { class: 'inside' }, detail(found.row))),
    )
    found.line.after(detailRow)
    onOpen?.(name)
  }

  function shut() {
    if (opened === '') return false
    const found = lines.get(opened)
    found?.button?.setAttribute('aria-expanded', 'false')
    found?.line.classList.remove('opened')
    detailRow?.remove()
    detailRow = null
    opened = ''
    found?.line.focus()
    onOpen?.('')
    return true
  }

  function show() {
    headers.forEach((header, at) => {
      if (columns[at].id === sort) {
        header.setAttribute('aria-sort', descending ? 'descending' : 'ascending')
      } else header.removeAttribute('aria-sort')
    })
    const passed = rows.filter((row) => matches(words, texts(row)))
    const column = columns.find((one) => one.id === sort)
    const ordered = column ? sorted(passed, column.value, descending) : passed
    const visible = all ? ordered : ordered.slice(0, most)
    const names = new Set(visible.map(key))
    if (opened !== '' && !names.has(opened)) shut()
    for (const [name, { line }] of lines) {
      if (names.has(name)) continue
      line.remove()
      lines.delete(name)
    }
    /** @type {ChildNode | null} */
    let at = body.firstChild
    for (const row of visible) {
      const name = key(row)
      let found = lines.get(name)
      if (!found) {
        found = makeLine(name)
        lines.set(name, found)
      }
      fill(found, row)
      if (found.line !== at) body.insertBefore(found.line, at)
      else at = at.nextSibling
      if (name === opened && detailRow) {
        if (detailRow === at) at = at.nextSibling
        else found.line.after(detailRow)
      }
    }
    if (!lines.has(current)) setCurrent(visible.length > 0 ? key(visible[0]) : '')
    more.hidden = visible.length === ordered.length
    more.textContent = `Show all ${ordered.length} rows`
    counted.textContent =
      passed.length === rows.length ? `${rows.length}` : `${passed.length} of ${rows.length}`
    box.hidden = visible.length === 0
    said.hidden = visible.length !== 0
    if (rows.length > 0) said.textContent = `No row has “${words}”.`
    else said.textContent = empty
  }

  /**
   * @param {{line: HTMLElement, cells: HTMLElement[], shown: string[], row: any, button: HTMLElement | null}} found
   * @param {any} row
   */
  function fill(found, row) {
    found.row = row
    const marked = mark?.(row) ?? ''
    found.line.dataset.mark = marked
    columns.forEach((column, at) => {
      const value = column.value(row) ?? null
      const content = column.render ? column.render(row) : format(value, column.unit ?? 'text')
      if (typeof content !== 'string') {
        found.cells[at].replaceChildren(content)
        found.shown[at] = ''
      } else if (found.shown[at] !== content) {
        found.cells[at].textContent = content
        found.shown[at] = content
      }
      if (column.wide && typeof content === 'string') found.cells[at].title = content
    })
    found.button?.setAttribute('aria-label', `Open ${found.cells[0].textContent?.slice(0, 80) ?? ''}`)
  }

  return {
    element,
    update(next) {
      rows = next
      show()
    },
    filter(text) {
      if (text === words) return
      words = text
      show()
    },
    move(by) {
      const visible = [...body.querySelectorAll('tr[data-key]')]
      if (visible.length === 0) return false
      const at = visible.findIndex((line) => line === document.activeElement)
      const next = at < 0 ? (by > 0 ? 0 : visible.length - 1) : at + by
      if (next < 0 || next >= visible.length) return false
      const line = /** @type {HTMLElement} */ (visible[next])
      line.focus()
      line.scrollIntoView({ block: 'nearest' })
      return true
    },
    close: shut,
    open(name) {
      if (name !== opened && lines.has(name)) toggle(name)
    },
    say(text) {
      empty = text
      if (rows.length === 0) said.textContent = text
    },
  }
}

/** @param {TableColumn} column */
function isNumber(column) {
  return column.unit !== undefined && !['text', 'time', 'yes'].includes(column.unit)
}
