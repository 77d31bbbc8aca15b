// The files of the page: where the browser asks for them, and where they lie. The build embeds these
// and no others; the tests serve these.

import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))

const types = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
}

/** Nothing but the page's own files and the admin API, and no script or style that stands in HTML. */
export const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

/** @param {string} modules folder of npm's packages */
export function files(modules = join(here, 'node_modules')) {
  const file = (path, at) => ({ path, type: types[at.split('.').pop()], file: at })
  const uplot = join(modules, 'uplot', 'dist')
  return [
    file('/', join(here, 'index.html')),
    ...['style.css', 'icon.svg'].map((name) => file(`/${name}`, join(here, name))),
    file('/uplot.js', join(uplot, 'uPlot.iife.min.js')),
    file('/uplot.css', join(uplot, 'uPlot.min.css')),
    ...readdirSync(join(here, 'modules'))
      .filter((name) => name.endsWith('.js'))
      .sort()
      .map((name) => file(`/modules/${name}`, join(here, 'modules', name))),
  ]
}
