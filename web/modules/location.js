// What the address after "#" says: section, range, filter, node, what is open. It can be shared.

/** Ranges of time by name, in ms. @type {Record<string, number>} */
export const ranges = {
  '15m': 900_000,
  '1h': 3_600_000,
  '6h': 21_600_000,
  '24h': 86_400_000,
  '7d': 604_800_000,
}

/** @type {Place} */
export const home = { section: 'overview', range: '1h', filter: '', node: '', open: '' }

/**
 * Anything is read: what makes no sense is what it is at home.
 * @param {string} hash
 * @param {string[]} sections
 * @returns {Place}
 */
export function parsePlace(hash, sections) {
  const [section, query = ''] = hash.replace(/^#/, '').split(/\?(.*)/s)
  const parameters = new URLSearchParams(query)
  const range = parameters.get('range') ?? home.range
  return {
    section: sections.includes(section) ? section : home.section,
    range: Object.hasOwn(ranges, range) ? range : home.range,
    filter: parameters.get('filter') ?? '',
    node: parameters.get('node') ?? '',
    open: parameters.get('open') ?? '',
  }
}

/**
 * @param {Place} place
 * @returns {string}
 */
export function formatPlace(place) {
  const parameters = new URLSearchParams()
  for (const name of /** @type {const} */ (['range', 'filter', 'node', 'open'])) {
    if (place[name] !== home[name]) parameters.set(name, place[name])
  }
  const query = parameters.toString()
  return `#${place.section}${query === '' ? '' : `?${query}`}`
}
