// A stand-in for the binary's admin port: the page's files with the headers of the real one, and the
// API's answers of a made-up state. For tests and for working on the page:
//
//   node test/fake_admin.mjs [STATE] [PORT]      states: bad (default), healthy, empty, unreachable

import { createServer } from 'node:http'
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

import { files, policy } from '../files.mjs'
import { collectors, series, states } from './states.mjs'

/** @returns {Promise<{url: string, set: (state: string) => void, close: () => Promise<void>, asked: string[]}>} */
export function fakeAdmin(first = 'bad', port = 0) {
  let name = first
  let state
  const asked = []
  const page = new Map(files().map(({ path, type, file }) => [path, { type, body: gzipSync(readFileSync(file), { level: 9 }) }]))

  function answer(path, query) {
    const of = (collector) => state.samples[collector] ?? []
    switch (path) {
      case 'collectors':
        return { collectors }
      case 'latest': {
        const { scope } = collectors.find((one) => one.name === query.collector)
        return {
          collector: query.collector,
          samples: of(query.collector).filter(
            (sample) =>
              (!query.node || scope === 'client' || sample.node === query.node) &&
              (!query.database || sample.database === query.database),
          ),
        }
      }
      case 'series':
        return series(state, query)
      case 'verdicts':
        return { at: Date.now(), verdicts: state.verdicts }
      case 'alerts':
        return { alerts: state.alerts }
      case 'plan': {
        const plan = state.plans[query.queryid] ?? null
        return { plan, why_not: plan ? null : 'EXPLAIN (GENERIC_PLAN) exists from version 16 on, and this server is 15.13' }
      }
    }
    return null
  }

  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost')
    asked.push(request.url)
    const file = page.get(pathname)
    if (file) {
      response.writeHead(200, {
        'content-type': file.type, 'content-encoding': 'gzip', 'cache-control': 'no-cache',
        'content-security-policy': policy, 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer',
      })
      response.end(file.body)
      return
    }
    if (name === 'unreachable') {
      request.socket.destroy()
      return
    }
    state = states[name](Date.now())
    const found = pathname.startsWith('/v1/admin/') ? answer(pathname.slice(10), Object.fromEntries(searchParams)) : null
    const body = JSON.stringify(found ?? { title: 'Not Found', code: 'not_found', detail: `there is no ${pathname}` })
    response.writeHead(found ? 200 : 404, { 'content-type': found ? 'application/json' : 'application/problem+json' })
    response.end(body)
  })
  return new Promise((resolve) =>
    server.listen(port, '127.0.0.1', () =>
      resolve({
        url: `http://127.0.0.1:${server.address().port}/`,
        asked,
        set: (next) => (name = next),
        close: () =>
          new Promise((closed) => {
            server.close(closed)
            server.closeAllConnections()
          }),
      }),
    ),
  )
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const { url } = await fakeAdmin(process.argv[2], Number(process.argv[3] ?? 9091))
  console.log(url)
}
