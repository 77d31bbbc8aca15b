// What a section shows of one collector: why it sees nothing, or a table that is kept up to date.

import { el, gapNotes } from './element.js'
import { columnsOf, keyOf, labelOf, placeColumns, placed, textsOf } from './samples.js'
import { dataTable } from './table.js'

/**
 * @param {{
 *   collector: string, title: string, empty: string, note?: string, id?: string,
 *   columns?: (described: Collector) => TableColumn[], without?: string[],
 *   order?: (rows: Placed[]) => any[], sort?: string, descending?: boolean,
 *   detail?: (row: any, described: Collector) => Node, onOpen?: (key: string) => void, mark?: (row: any) => string,
 *   absent?: string}} options
 *   absent: what is said where the monitor has no such collector
 */
export function collectorView({
  collector, title, empty, note, id = collector, columns, without, order, sort, descending, detail,
  onOpen, mark, absent,
}) {
  const gaps = el('div', { class: 'gaps' })
  const host = el('div')
  const element = el('div', { class: 'view', 'data-view': id }, gaps, host)
  /** @type {DataTable | null} */
  let table = null
  let shape = ''
  let words = ''
  let gapsShown = ''
  let newest = 0

  return {
    element,
    /** @returns {DataTable[]} */
    tables: () => (table === null ? [] : [table]),
    /** @param {string} text */
    filter(text) {
      words = text
      table?.filter(text)
    },
    /** @param {App} app */
    async refresh(app) {
      const turn = ++newest
      const described = await app.described(collector)
      if (turn !== newest) return []
      if (described === undefined) {
        table = null
        shape = ''
        host.replaceChildren(
          el('section', { class: 'table', 'data-table': id }, el('h3', {}, title),
            el('p', { class: 'empty' }, absent ?? 'This server’s monitor does not collect it.')),
        )
        return []
      }
      const [samples, found] = await Promise.all([app.api.latest(collector), app.gaps([collector])])
      // What was asked later, of another node perhaps, is there already.
      if (turn !== newest) return []
      if (gapsShown !== JSON.stringify(found)) {
        gapsShown = JSON.stringify(found)
        gaps.replaceChildren(...gapNotes(found))
      }
      const keys = described.columns.filter(({ kind }) => kind === 'key').map(({ name }) => name)
      const own = columns ? columns(described) : columnsOf(described, without)
      const has = [...described.columns.map(({ name }) => name), ...own.map((column) => column.id)]
      const places = placeColumns(samples, has)
      const all = own.length > 0 ? [own[0], ...places, ...own.slice(1)] : places
      const wanted = JSON.stringify(all.map((column) => column.id))
      if (table === null || wanted !== shape) {
        shape = wanted
        const key = keyOf(keys)
        table = dataTable({
          id, title, note, columns: all, sort, descending, onOpen, mark, empty,
          detail: detail && ((row) => detail(row, described)),
          key: (row) => key(row), texts: textsOf,
        })
        table.filter(words)
        host.replaceChildren(table.element)
      }
      table.say(emptyText(samples, found))
      const rows = placed(samples)
      const shown = order ? order(rows) : rows
      table.update(shown)
      return shown
    },
  }

  /**
   * @param {Sample[]} samples
   * @param {Gap[]} found
   */
  function emptyText(samples, found) {
    if (samples.length > 0 && found.length === 0) return empty
    if (samples.length > 0) return `${empty} Not all can be seen, for the reason above.`
    return found.length > 0
      ? `${labelOf(collector)} cannot be read, for the reason above.`
      : 'Not enough history: nothing has been read yet.'
  }
}

/**
 * A section of such views.
 * @param {{id: string, title: string, key: string, about: string,
 *          views: (app: App) => ReturnType<typeof collectorView>[],
 *          after?: (app: App, rows: any[][]) => void}} options
 * @returns {Section}
 */
export function viewSection({ id, title, key, about, views, after }) {
  /** @type {ReturnType<typeof collectorView>[]} */
  let shown = []
  /** @type {App} */
  let app
  return {
    id, title, key,
    mount(container, owner) {
      app = owner
      shown = views(owner)
      container.append(el('p', { class: 'about' }, about), ...shown.map(({ element }) => element))
    },
    async refresh() {
      const rows = await Promise.all(shown.map((view) => view.refresh(app)))
      after?.(app, rows)
    },
    tables: () => shown.flatMap((view) => view.tables()),
    filter: (text) => shown.forEach((view) => view.filter(text)),
    close: () => shown.some((view) => view.tables().some((table) => table.close())),
  }
}
