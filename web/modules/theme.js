// Dark, light, or as the system has it. Charts draw on a canvas, which has to be told its colours.

const names = /** @type {const} */ (['system', 'light', 'dark'])
const kept = 'lyceum.theme'

/** @type {(() => void)[]} */
const listeners = []
/** @type {Map<string, string>} */
const colours = new Map()

export function theme() {
  return document.documentElement.dataset.theme ?? 'system'
}

/** @param {string} name */
export function setTheme(name) {
  if (name === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = name
  try {
    localStorage.setItem(kept, name)
  } catch {
    // A browser that keeps nothing: the theme lasts as long as the page.
  }
  changed()
}

export function nextTheme() {
  setTheme(names[(names.indexOf(/** @type {any} */ (theme())) + 1) % names.length])
  return theme()
}

function changed() {
  colours.clear()
  for (const listener of listeners) listener()
}

/** @param {() => void} listener */
export function onTheme(listener) {
  listeners.push(listener)
  return () => void listeners.splice(listeners.indexOf(listener), 1)
}

export function startTheme() {
  let name = 'system'
  try {
    name = localStorage.getItem(kept) ?? 'system'
  } catch {
    // As above.
  }
  if (name === 'light' || name === 'dark') document.documentElement.dataset.theme = name
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed)
}

/**
 * What a custom property of the style sheet is now: "rgb(37, 99, 201)".
 * @param {string} property "--line-1"
 */
export function colour(property) {
  let found = colours.get(property)
  if (found === undefined) {
    const probe = document.createElement('i')
    probe.style.setProperty('color', `var(${property})`)
    document.body.append(probe)
    found = getComputedStyle(probe).color
    probe.remove()
    colours.set(property, found)
  }
  return found
}
