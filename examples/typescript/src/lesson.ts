// One lesson of one learner: stories of a level, words to meet next, a review, and the progress made.
//
//   npm start -- URL TOKEN LEARNER

import { randomUUID } from 'node:crypto'

import { answer, connect, ProblemError, repeated, type Schemas } from './client.js'

const [url, token, learner] = process.argv.slice(2)
if (url === undefined || token === undefined || learner === undefined) {
  console.error('usage: npm start -- URL TOKEN LEARNER')
  process.exit(2)
}
const api = connect(url, token)

// All stories of a level: page after page, with the same filters.
async function storiesOf(level: Schemas['Story']['level']): Promise<Schemas['Story'][]> {
  const stories: Schemas['Story'][] = []
  let cursor: string | null = null
  do {
    const page: Schemas['StoriesPage'] = answer(
      await api.GET('/v1/stories', {
        params: { query: { level, limit: 2, ...(cursor === null ? {} : { cursor }) } },
      }),
    )
    stories.push(...page.stories)
    cursor = page.next_cursor
  } while (cursor !== null)
  return stories
}

async function lesson(learner: string) {
  const path = { id: learner }

  const stories = await storiesOf('A1')
  console.log(`stories ${stories.length}`)
  for (const story of stories) console.log(`story ${story.id} ${story.title}`)

  const { recommendations } = answer(
    await api.GET('/v1/learners/{id}/vocabulary/recommendations', {
      params: { path, query: { limit: 5 } },
    }),
  )
  for (const word of recommendations) console.log(`word ${word.id} ${word.word}`)

  // A word that was remembered well. The same key again is the same review, and the same answer.
  const word = recommendations[0]
  if (word === undefined) throw new Error('there is no word to review')
  const key = randomUUID()
  const review = () =>
    api.POST('/v1/learners/{id}/vocabulary/reviews', {
      params: { path, header: { 'Idempotency-Key': key } },
      body: { reviews: [{ vocabulary_id: word.id, rating: 3 }] },
    })
  const first = answer(await repeated(review))
  const second = answer(await repeated(review))
  const reviewed = first.reviews[0]
  if (reviewed === undefined || second.reviews[0]?.due !== reviewed.due) {
    throw new Error('the same review had two answers')
  }
  console.log(`reviewed ${word.id} ${reviewed.review_count} due ${reviewed.next_review_date}`)
  console.log(`replayed ${first.replayed} ${second.replayed}`)

  // What was read today, in one request.
  const read = stories.slice(0, 2)
  const outcome = answer(
    await repeated(() =>
      api.POST('/v1/progress/batch', {
        params: { header: { 'Idempotency-Key': `lesson-${key}` } },
        body: {
          updates: read.map((story) => ({
            user_id: learner,
            story_id: story.id,
            completion_percentage: 100,
            time_spent: 60,
          })),
        },
      }),
    ),
  )
  console.log(`progress ${outcome.received} ${outcome.written}`)

  // The bookmark of that write travels with this: the summary has it.
  const summary = answer(await api.GET('/v1/learners/{id}/summary', { params: { path } }))
  console.log(`summary ${summary.stories_completed} ${summary.total_time_spent}`)

  // What cannot be is an answer too, with a code to decide by.
  try {
    await api.GET('/v1/stories/{id}', { params: { path: { id: randomUUID() } } })
  } catch (error) {
    if (!(error instanceof ProblemError) || error.problem.code !== 'not_found') throw error
    console.log(`problem ${error.problem.status} ${error.problem.code}`)
  }
}

try {
  await lesson(learner)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
