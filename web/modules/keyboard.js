// Keys to actions. "g" waits for a second key; everything else acts at once.

const patience = 1500

/**
 * @param {{sections: Record<string, string>, now: () => number}} options sections by their key
 * @returns {(key: string) => {action: string, value: string} | null} for keys pressed outside of
 *   fields and without Ctrl, Alt or Meta
 */
export function keyReader({ sections, now }) {
  let waitingSince = -Infinity
  return (key) => {
    const second = now() - waitingSince < patience
    waitingSince = -Infinity
    if (second) {
      return Object.hasOwn(sections, key) ? { action: 'section', value: sections[key] } : null
    }
    switch (key) {
      case 'g':
        waitingSince = now()
        return null
      case '?':
        return { action: 'help', value: '' }
      case '/':
        return { action: 'filter', value: '' }
      case 'j':
        return { action: 'move', value: '1' }
      case 'k':
        return { action: 'move', value: '-1' }
      case 't':
        return { action: 'theme', value: '' }
      case 'p':
        return { action: 'pause', value: '' }
      case 'Escape':
        return { action: 'close', value: '' }
      default:
        return /^[1-5]$/.test(key) ? { action: 'range', value: key } : null
    }
  }
}
