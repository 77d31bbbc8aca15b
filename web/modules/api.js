// The admin API, read. It is asked again and again, so that failing is ordinary: `onState` hears
// since when nothing has answered, and when something does again.

/** Something answered, and refused or had no sense. */
export class Refused extends Error {}
/** Nothing answered, or not in time. */
export class Unreachable extends Error {}

const patience = 15_000

/**
 * @param {{onState: (failingSince: number | null, why: string) => void, now: () => number,
 *          fetch?: typeof globalThis.fetch, node: () => string}} options
 *   node(): what samples are narrowed to; empty: all
 * @returns {Api}
 */
export function connectApi({ onState, now, node, fetch = globalThis.fetch.bind(globalThis) }) {
  /** @type {number | null} */
  let failingSince = null

  /** @param {string} why */
  function failed(why) {
    failingSince ??= now()
    onState(failingSince, why)
    return new Unreachable(why)
  }

  /**
   * @param {string} path
   * @param {Record<string, string | number | undefined>} parameters
   * @returns {Promise<any>}
   */
  async function get(path, parameters = {}) {
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries(parameters)) {
      if (value !== undefined && value !== '') query.set(name, String(value))
    }
    const target = `/v1/admin/${path}${query.size === 0 ? '' : `?${query}`}`
    const stop = new AbortController()
    const timer = setTimeout(() => stop.abort(), patience)
    try {
      let response
      let text
      try {
        response = await fetch(target, { signal: stop.signal, headers: { accept: 'application/json' } })
        text = await response.text()
      } catch {
        throw failed(stop.signal.aborted ? `no answer within ${patience / 1000} s` : 'no connection')
      }
      if ([502, 503, 504].includes(response.status)) throw failed(`status ${response.status}`)
      failingSince = null
      onState(null, '')
      let document
      try {
        document = JSON.parse(text)
      } catch {
        throw new Refused(`${path}: status ${response.status}, and no JSON`)
      }
      if (!response.ok) {
        throw new Refused(`${path}: ${document.detail ?? document.title ?? response.status}`)
      }
      return document
    } finally {
      clearTimeout(timer)
    }
  }

  /**
   * @param {any} document
   * @param {string} member
   */
  function list(document, member) {
    const found = document?.[member]
    if (!Array.isArray(found)) throw new Refused(`the answer has no list "${member}"`)
    return found
  }

  return {
    collectors: async () => list(await get('collectors'), 'collectors'),
    latest: async (collector) => list(await get('latest', { collector, node: node() }), 'samples'),
    series: async ({ collector, column, by, where }, { from, to, points }) =>
      list(
        await get('series', {
          node: node(),
          ...where,
          collector,
          column,
          by: by?.join(','),
          from: Math.round(from),
          to: Math.round(to),
          points,
        }),
        'series',
      ),
    verdicts: async () => {
      const document = await get('verdicts')
      return { at: Number(document?.at ?? 0), verdicts: list(document, 'verdicts') }
    },
    alerts: async () => list(await get('alerts'), 'alerts'),
    plan: async ({ queryid, database, node: where }) => {
      const document = await get('plan', { queryid, database, node: where })
      return { plan: document?.plan ?? null, why_not: document?.why_not ?? null }
    },
  }
}
