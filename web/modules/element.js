// Elements of the page. What is put into one is text or another element, never HTML: names and
// statements come from databases, whoever wrote them.

/**
 * el('td', {class: 'number', title: 'rows', onclick: open}, 'text', other)
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [attributes] null and false: not there; a function: a listener
 * @param {...(Node | string | null)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue
    if (typeof value === 'function') element.addEventListener(name.replace(/^on/, ''), value)
    else element.setAttribute(name, value === true ? '' : String(value))
  }
  element.append(...children.filter((child) => child !== null))
  return element
}

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`no element ${id}`)
  return found
}

/**
 * Severity in colour and in a word.
 * @param {string} severity
 * @param {string} [word]
 */
export function badge(severity, word = severity) {
  return el('span', { class: `badge ${severity}` }, word)
}

/** @param {string} text */
async function copy(text) {
  // Only secure origins and loopback have a clipboard.
  if (navigator.clipboard) return navigator.clipboard.writeText(text)
  const area = el('textarea', { class: 'aside' })
  area.value = text
  document.body.append(area)
  area.select()
  const done = document.execCommand('copy')
  area.remove()
  if (!done) throw new Error('the browser does not let this page copy')
}

/**
 * A text to be read and copied: SQL, a plan.
 * @param {string} text
 * @param {string} [what] "SQL"
 */
export function code(text, what = 'SQL') {
  const button = el('button', { type: 'button', class: 'copy' }, `Copy ${what}`)
  button.addEventListener('click', async (event) => {
    event.stopPropagation()
    await copy(text).then(
      () => (button.textContent = 'Copied'),
      () => (button.textContent = 'Cannot copy here'),
    )
    setTimeout(() => (button.textContent = `Copy ${what}`), 2000)
  })
  return el('div', { class: 'code' }, el('pre', { tabindex: '0' }, text), button)
}

/**
 * Names with their texts; those without are left out.
 * @param {[string, string | Node | null][]} facts
 */
export function facts(facts) {
  const list = el('dl', { class: 'facts' })
  for (const [name, text] of facts) {
    if (text !== null && text !== '') list.append(el('div', {}, el('dt', {}, name), el('dd', {}, text)))
  }
  return list
}

/**
 * What a collector does not see, and what mends it.
 * @param {Gap[]} gaps
 */
export function gapNotes(gaps) {
  return gaps.map((gap) => {
    const where = [gap.node, gap.database].filter((part) => part !== '').join(', ')
    return el(
      'div',
      { class: 'gap', 'data-collector': gap.collector },
      el(
        'p',
        {},
        badge('warning', gap.state || 'off'),
        ` ${gap.collector}${where === '' ? '' : ` on ${where}`}: ${gap.why || 'no reason given'}`,
      ),
      gap.mend === '' ? null : code(gap.mend),
    )
  })
}
