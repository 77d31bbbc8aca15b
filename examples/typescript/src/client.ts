// A typed client of the data API. Paths, parameters, bodies and answers are checked against
// api/openapi.json by the compiler.

import createClient, { type Middleware } from 'openapi-fetch'

import type { components, paths } from './generated/api.js'

export type Schemas = components['schemas']

// What the API says of a request that it refused. `code` stays the same from version to version.
export class ProblemError extends Error {
  constructor(
    readonly problem: Schemas['Problem'],
    readonly retryAfter: number | undefined,
  ) {
    super(`${problem.status} ${problem.code}: ${problem.detail} (request ${problem.request_id})`)
  }
}

// Carries the bookmark of the last write to every later request, so that what is read there is never
// older than what was written here.
function bookmarks(): Middleware {
  let bookmark: string | undefined
  return {
    onRequest({ request }) {
      if (bookmark !== undefined) request.headers.set('Lyceum-Bookmark', bookmark)
      return request
    },
    onResponse({ response }) {
      bookmark = response.headers.get('Lyceum-Bookmark') ?? bookmark
      return undefined
    },
  }
}

// Turns application/problem+json into an exception; what no Lyceum sent (a proxy's page) as well.
const problems: Middleware = {
  async onResponse({ response }) {
    if (response.ok) return undefined
    if (response.headers.get('Content-Type') !== 'application/problem+json') {
      throw new Error(`${response.status} from ${response.url}, and not from Lyceum`)
    }
    const problem = (await response.clone().json()) as Schemas['Problem']
    const after = response.headers.get('Retry-After')
    throw new ProblemError(problem, after === null ? undefined : Number(after))
  },
}

export function connect(baseUrl: string, token: string) {
  const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } })
  client.use(bookmarks(), problems)
  return client
}

// The answer of a request that did not throw.
export function answer<T>(response: { data?: T }): T {
  if (response.data === undefined) throw new Error('the answer has no content')
  return response.data
}

// Sends again what the API says may be sent again. A write goes with an Idempotency-Key, so it is
// stored once however often it is sent.
export async function repeated<T>(send: () => Promise<T>, attempts = 4): Promise<T> {
  for (let attempt = 1; ; ++attempt) {
    try {
      return await send()
    } catch (error) {
      const known = error instanceof ProblemError && error.retryAfter !== undefined
      if (!known || attempt === attempts) throw error
      await new Promise((resolve) => setTimeout(resolve, 1000 * (error.retryAfter ?? 1)))
    }
  }
}
