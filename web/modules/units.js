// Figures as people read them. Every function takes null for "not known", which is a dash.

export const unknown = '–'

const nothing = (/** @type {Cell | undefined} */ value) =>
  value === null || value === undefined || value === '' || Number.isNaN(Number(value))

// Three significant digits, never more than the figure has, never an exponent.
/** @param {number} value */
function significant(value) {
  const size = Math.abs(value)
  if (size >= 100) return String(Math.round(value))
  if (size >= 10) return String(Math.round(value * 10) / 10)
  if (size >= 1) return String(Math.round(value * 100) / 100)
  if (size === 0) return '0'
  const digits = Math.min(6, 2 - Math.floor(Math.log10(size)))
  return String(Number(value.toFixed(digits))).includes('e')
    ? '~0'
    : String(Number(value.toFixed(digits)))
}

/**
 * @param {number} value
 * @param {number} base
 * @param {string[]} names
 */
function scaled(value, base, names) {
  let at = 0
  // 999.6 would be rounded to 1000, which is 1 of the next.
  while (at + 1 < names.length && Math.abs(value) >= (base === 1000 ? 999.5 : 1023.5)) {
    value /= base
    ++at
  }
  return significant(value) + names[at]
}

/** 12.3 k @param {Cell} value */
export function number(value) {
  return nothing(value) ? unknown : scaled(Number(value), 1000, ['', ' k', ' M', ' G', ' T'])
}

/** 12,345, whole @param {Cell} value */
export function count(value) {
  if (nothing(value)) return unknown
  const digits = String(Math.abs(Math.round(Number(value))))
  const grouped = digits.replace(/\B(?=(\d{3})+$)/g, ',')
  return Number(value) <= -0.5 ? `-${grouped}` : grouped
}

/** 12.3 MB, by 1024 as PostgreSQL has it @param {Cell} value */
export function bytes(value) {
  return nothing(value)
    ? unknown
    : scaled(Number(value), 1024, [' B', ' kB', ' MB', ' GB', ' TB', ' PB'])
}

/** @param {Cell} value @returns {string} */
export function milliseconds(value) {
  if (nothing(value)) return unknown
  const ms = Number(value)
  if (Math.abs(ms) < 1 && ms !== 0) return `${significant(ms * 1000)} µs`
  if (Math.abs(ms) < 999.5) return `${significant(ms)} ms`
  return seconds(ms / 1000)
}

/** How long something takes: 3 min 20 s @param {Cell} value @returns {string} */
export function seconds(value) {
  if (nothing(value)) return unknown
  const whole = Number(value)
  if (whole < 0) return `-${seconds(-whole)}`
  if (whole < 0.9995 && whole > 0) return milliseconds(whole * 1000)
  if (whole < 59.5) return `${significant(whole)} s`
  const parts = [
    [86400, 'd'],
    [3600, 'h'],
    [60, 'min'],
    [1, 's'],
  ]
  for (let at = 0; at + 1 < parts.length; ++at) {
    const [size, name] = /** @type {[number, string]} */ (parts[at])
    const [small, smallName] = /** @type {[number, string]} */ (parts[at + 1])
    const smalls = Math.round(whole / small)
    if (smalls * small < size) continue
    const big = Math.floor((smalls * small) / size)
    const rest = smalls - (big * size) / small
    return rest > 0 ? `${big} ${name} ${rest} ${smallName}` : `${big} ${name}`
  }
  return unknown
}

/** @param {Cell} value */
export function perSecond(value) {
  return nothing(value) ? unknown : `${number(value)}/s`
}

/** 0 to 100 @param {Cell} value */
export function percent(value) {
  if (nothing(value)) return unknown
  return `${Math.abs(Number(value)) >= 1000 ? count(value) : significant(Number(value))} %`
}

const two = (/** @type {number} */ part) => String(part).padStart(2, '0')

/** 12:03:11, local, of ms since 1970 @param {number} at */
export function clock(at) {
  const time = new Date(at)
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`
}

/** 2026-01-31 12:03, local, of ms since 1970 @param {number} at */
export function moment(at) {
  const time = new Date(at)
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}`
}

/**
 * "3 min 20 s ago"; just now, for what lies ahead by a clock that differs.
 * @param {number} at
 * @param {number} now
 */
export function ago(at, now) {
  return now - at < 1000 ? 'just now' : `${seconds(Math.floor((now - at) / 1000))} ago`
}

/** 15.13, of server_version_num @param {Cell} value */
export function version(value) {
  if (nothing(value)) return unknown
  return `${Math.floor(Number(value) / 10000)}.${Number(value) % 10000}`
}

/**
 * A column's unit, from its name and its meaning.
 * @param {Column} column
 * @returns {Unit}
 */
export function unitOf({ name, kind, meaning }) {
  if (kind === 'key' || kind === 'text') return 'text'
  if (/seconds since 1970/.test(meaning) || /^last_(auto)?(vacuum|analyze|scan)$/.test(name)) {
    return 'time'
  }
  if (/^[01] (on|where|while|for|unless)\b/.test(meaning)) return 'yes'
  if (/^share of|\b0 to 1\b/.test(meaning)) return 'share'
  if (/_percent$/.test(name)) return 'percent'
  if (/_ms$|_(exec|plan)_time$/.test(name) || /\bmilliseconds\b/.test(meaning)) return 'ms'
  if (/(^|_)seconds(_|$)/.test(name)) return 'seconds'
  if (/(^|_)bytes$/.test(name) || /\bbytes\b/.test(meaning)) return 'bytes'
  return kind === 'counter' || /count|connections|tuples|version$/.test(name) ? 'count' : 'number'
}

/**
 * @param {Cell} value
 * @param {Unit} unit
 * @returns {string}
 */
export function format(value, unit) {
  if (value === null || value === undefined) return unknown
  switch (unit) {
    case 'text':
      return String(value)
    case 'count':
      return count(value)
    case 'number':
      return number(value)
    case 'bytes':
      return bytes(value)
    case 'bytes/s':
      return nothing(value) ? unknown : `${bytes(value)}/s`
    case 'ms':
      return milliseconds(value)
    case 'seconds':
      return seconds(value)
    case 'per second':
      return perSecond(value)
    case 'percent':
      return percent(value)
    case 'share':
      return nothing(value) ? unknown : percent(Number(value) * 100)
    case 'time':
      return nothing(value) ? unknown : moment(Number(value) * 1000)
    case 'yes':
      return nothing(value) ? unknown : Number(value) !== 0 ? 'yes' : 'no'
  }
}
