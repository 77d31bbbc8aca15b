// The page in headless Chromium. What it must show is taken from the answers of the API that it
// reads, so that the same checks hold for a made-up state and, with LYCEUM_WEB_URL, for a real
// server's page (the checks that need a certain state are left out then). LYCEUM_WEB_COMPLETE says of
// a real one that nothing is missing: it has a replica and traffic, has been watched for a minute,
// and may read the statements' tables.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import puppeteer from 'puppeteer-core'

import { fakeAdmin } from './fake_admin.mjs'
import { collectors } from './states.mjs'

const real = process.env.LYCEUM_WEB_URL || undefined
const sections = ['overview', 'statements', 'blocking', 'transactions', 'vacuum', 'indexes', 'nodes', 'shards', 'alerts', 'collectors']
const complete = !real || process.env.LYCEUM_WEB_COMPLETE === '1'
const needsStates = { skip: real ? 'a real server has the state that it has' : false }

let browser
let admin
let base

before(async () => {
  if (!real) admin = await fakeAdmin('bad')
  base = new URL('/', real ?? admin.url).href
  browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    userDataDir: process.env.LYCEUM_WEB_PROFILE,
    env: { ...process.env, HOME: process.env.LYCEUM_WEB_HOME ?? process.env.HOME },
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-crash-reporter'],
  })
})
after(async () => {
  await browser?.close()
  await admin?.close()
})

const ask = async (path) => (await fetch(`${base}v1/admin/${path}`)).json()
const pause = (ms) => new Promise((done) => setTimeout(done, ms))

/** Until it holds: what is checked may be a poll behind. */
async function eventually(check, limit = 15_000) {
  const end = Date.now() + limit
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() > end) throw error
      await pause(100)
    }
  }
}

/** The page asks anew now: it would in some seconds, when a real server says something else. */
const asksAnew = (page) => page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))

/**
 * What the page itself was answered last: what it shows is held against that, and not against what
 * a real server says a moment later.
 */
function heard(page, path) {
  const answers = { last: undefined }
  page.on('response', async (response) => {
    if (!response.url().endsWith(`/v1/admin/${path}`) || response.status() !== 200) return
    // The page may be gone by then.
    answers.last = await response.json().catch(() => answers.last)
  })
  return answers
}

/** A page that fails the test for any exception, console error, or request to elsewhere. */
async function visit(hash = '', { width = 1280, scheme = 'light', silence = false } = {}, check) {
  const page = await browser.newPage()
  const faults = []
  page.on('pageerror', (error) => faults.push(`exception: ${error.message}`))
  page.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warn') return
    if (silence && /Failed to load resource/.test(message.text())) return
    faults.push(`console: ${message.text()}`)
  })
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(base).origin) faults.push(`elsewhere: ${request.url()}`)
  })
  try {
    await page.setViewport({ width, height: 820 })
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
    await page.goto(base + hash, { waitUntil: 'domcontentloaded' })
    if (!silence) await settled(page)
    const found = await check(page)
    assert.equal(await page.evaluate(() => window.hacked), undefined, 'a name from a database ran as a script')
    assert.deepEqual(faults, [])
    return found
  } finally {
    await page.close()
  }
}

/** All charts and tables that are in sight have read something. */
const settled = (page) =>
  page.waitForFunction(
    () =>
      document.getElementById('state').dataset.state === 'live' &&
      [...document.querySelectorAll('.section:not([hidden])')].some(
        (section) =>
          section.querySelector('[data-table], [data-chart]') &&
          [...section.querySelectorAll('[data-chart]')].every((chart) => chart.dataset.state !== 'waiting'),
      ),
    { timeout: 20_000 },
  )

const text = (page, selector) => page.$eval(selector, (element) => element.textContent)

test('the first screen has the verdicts, in order and word by word', async () => {
  await visit('', {}, async (page) => {
    const answers = heard(page, 'verdicts')
    await asksAnew(page)
    const verdicts = await eventually(async () => {
      const said = answers.last?.verdicts
      assert.ok(said, 'it has not asked')
      // It is what the API says to others, but for figures that change.
      const { verdicts: told } = await ask('verdicts')
      assert.deepEqual(said.map(({ rule, severity }) => [rule, severity]), told.map(({ rule, severity }) => [rule, severity]))
      await page.$$eval('li[data-rule] > details', (all) => all.forEach((one) => (one.open = true)))
      const shown = await page.$$eval('li[data-rule]', (lines) =>
        lines.map((line) => ({
          line: [line.dataset.rule, line.dataset.severity, line.querySelector('.badge').textContent, line.querySelector('.what').textContent],
          inside: line.querySelector('.inside').textContent,
          mend: line.querySelector('pre')?.textContent ?? '',
          link: line.querySelector('.link') !== null,
        })))
      assert.deepEqual(shown.map(({ line }) => line), said.map(({ rule, severity, summary }) => [rule, severity, severity, summary]))
      said.forEach(({ why, mend, labels }, at) => {
        assert.ok(shown[at].inside.includes(why), why)
        assert.equal(shown[at].mend, mend)
        assert.ok(shown[at].link)
        for (const value of Object.values(labels)) assert.ok(shown[at].inside.includes(value), value)
      })
      return said
    })
    if (complete) assert.ok(verdicts.length > 0, 'nothing is wrong: what was to be shown?')
    const [first] = verdicts
    if (first && first.severity !== 'ok') {
      await page.click('li[data-rule] .link')
      await page.waitForFunction(() => location.hash.length > 1 && !location.hash.startsWith('#overview'))
      await page.goBack()
      await page.waitForFunction(() => document.getElementById('section-overview').checkVisibility())
    }
  })
})

test('every chart is drawn, or says why it is not', async () => {
  await visit(real ? '#overview?range=15m' : '', {}, async (page) => {
    const look = () => page.$$eval('[data-chart]', (all) =>
      all.map((chart) => {
        const canvas = chart.querySelector('canvas')
        const said = chart.querySelector('.empty')
        let painted = 0
        if (canvas) {
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
          // What has a hue is a line or its shade; the grid and the axes are grey.
          for (let at = 0; at < data.length; at += 4) {
            if (data[at + 3] > 60 && Math.max(data[at], data[at + 1], data[at + 2]) - Math.min(data[at], data[at + 1], data[at + 2]) > 60) ++painted
          }
        }
        return { id: chart.dataset.chart, state: chart.dataset.state, painted, said: said.hidden ? '' : said.textContent, legend: chart.querySelectorAll('.legend li').length, label: chart.querySelector('.canvas').getAttribute('aria-label') }
      }))
    // A chart is drawn anew every few seconds, with what has come since.
    await eventually(async () => {
      const charts = await look()
      assert.equal(charts.length, 8)
      for (const { id, state, painted, said, legend, label } of charts) {
        if (state === 'drawn') {
          // What has been watched for a minute is a short line.
          assert.ok(painted > (real ? 10 : 100), `${id} is blank: ${painted} pixels`)
          assert.ok(legend > 0 && label.length > 20, `${id} has no legend`)
        } else assert.ok(said.length > 10, `${id} says nothing`)
        if (complete) assert.equal(state, 'drawn', `${id}: ${said}`)
      }
    }, real ? 60_000 : 15_000)
    // One cursor for all.
    const canvas = await page.$('[data-chart="throughput"] .u-over')
    if (canvas) {
      await canvas.hover()
      const visible = await page.$$eval('.u-cursor-x', (all) => all.filter((line) => !line.classList.contains('u-off')).length)
      assert.ok(visible >= (real ? 1 : 7), `${visible} cursors`)
    }
  })
})

// Which view shows which collector, and the column that its first cell names.
const views = {
  statements: [['statements', 'query'], ['client_statements', '']],
  blocking: [['blocking', 'pid']],
  transactions: [['transactions', 'holder']],
  vacuum: [['vacuum_progress', 'relation'], ['tables', 'relname']],
  indexes: [['index_progress', 'pid'], ['indexes', 'indexrelname']],
  nodes: [['nodes', 'node'], ['server', ''], ['connections', ''], ['replication', 'application'], ['replica', ''], ['slots', 'slot'], ['pools', 'name'], ['databases', 'database']],
  collectors: [['collectors', 'collector']],
}

for (const [section, shown] of Object.entries(views)) {
  test(`the tables of ${section} have the rows of the API, all and no others`, async () => {
    await visit(`#${section}`, {}, async (page) => {
      for (const [collector, named] of shown) {
        const { collectors: known } = await ask('collectors')
        const described = known.find(({ name }) => name === collector)
        if (!described) {
          assert.ok((await text(page, `[data-table="${collector}"] .empty`)).length > 10)
          continue
        }
        const keys = described.columns.filter(({ kind }) => kind === 'key').map(({ name }) => name)
        await eventually(async () => {
          if (real) await asksAnew(page)
          const { samples } = await ask(`latest?collector=${collector}`)
          const rows = samples.flatMap(({ node, database, rows: all }) => all.map((row) => ({ node, database, row })))
          const wanted = new Map(rows.map((one) => [JSON.stringify([one.node, one.database, ...keys.map((key) => one.row[key] ?? null)]), one.row]))
          const table = await page.$eval(`[data-table="${collector}"]`, (element) => ({
            counted: element.querySelector('.counted').textContent,
            said: element.querySelector('.empty').hidden ? '' : element.querySelector('.empty').textContent,
            rows: [...element.querySelectorAll('tr[data-key]')].map((row) => [row.dataset.key, row.querySelector('th').textContent]),
          }))
          assert.equal(table.counted, String(rows.length), collector)
          assert.equal(table.rows.length, Math.min(200, rows.length), collector)
          if (rows.length === 0) assert.ok(table.said.length > 10, `${collector} says nothing`)
          for (const [key, first] of table.rows) {
            assert.ok(wanted.has(key), `${collector} has no row ${key}`)
            if (named) assert.ok(first.includes(String(wanted.get(key)[named])), `${first} is not ${wanted.get(key)[named]}`)
          }
        })
      }
      // A row opens into what else it says.
      await page.$$eval('[data-table] .open', (all) => all.forEach((one) => one.click()))
      // What cannot be read is told, with what mends it.
      const { samples } = await ask('latest?collector=collectors')
      for (const { node, rows } of samples) {
        for (const row of rows.filter(({ collector, state }) => state !== 'running' && shown.some(([name]) => name === collector) && section !== 'collectors')) {
          const told = await page.$$eval(`.gap[data-collector="${row.collector}"]`, (all) => all.map((one) => one.textContent))
          assert.ok(told.some((one) => one.includes(node) && one.includes(row.last_error) && one.includes(row.mend ?? '')), `${row.collector} on ${node}`)
        }
      }
      assert.equal(await page.$$eval('main img, main script', (all) => all.length), 0)
    })
  })
}

test('the table of alerts has the alerts of the API', async () => {
  await visit('#alerts', {}, async (page) => {
    const answers = heard(page, 'alerts')
    await asksAnew(page)
    await eventually(async () => {
      const alerts = answers.last?.alerts
      assert.ok(alerts, 'it has not asked')
      const rows = await page.$$eval('[data-table="alerts"] tr[data-key]', (all) => all.map((row) => row.textContent))
      assert.equal(rows.length, alerts.length)
      for (const { rule, severity, state, summary } of alerts) {
        assert.ok(rows.some((row) => [rule, severity, state, summary].every((word) => row.includes(word))), rule)
      }
    })
  })
})

test('the tree of who blocks whom has every waiter below its blocker', needsStates, async () => {
  await visit('#blocking', {}, async (page) => {
    const rows = await page.$$eval('[data-table="blocking"] tr[data-key] th', (all) => all.map((cell) => cell.textContent))
    assert.deepEqual(rows, ['3001', '├ 3002 level 1', '│ ├ 3003 level 2', '│ └ 3004 level 2', '└ 3005 level 1', '4001', '└ 4002 level 1'])
  })
})

test('a statement opens into its text, its history and its plan, and closes', async () => {
  if (!complete && (await ask('latest?collector=statements')).samples.every(({ rows }) => rows.length === 0)) return
  await visit('#statements', {}, async (page) => {
    await page.waitForSelector('[data-table="statements"] tr[data-key]')
    await page.keyboard.press('j')
    const key = await page.evaluate(() => document.activeElement.dataset.key)
    await page.keyboard.press('Enter')
    await page.waitForSelector('.statement')
    const [node, database, queryid, user] = JSON.parse(key)
    const { samples } = await ask('latest?collector=statements')
    const row = samples.find((one) => one.node === node && one.database === database).rows.find((one) => one.queryid === queryid && one.user === user)
    assert.equal(await text(page, '.statement pre'), row.query)
    await page.waitForFunction(() => [...document.querySelectorAll('.statement [data-chart]')].every((chart) => chart.dataset.state !== 'waiting'))
    assert.equal(await page.$$eval('.statement [data-chart]', (all) => all.length), 3)
    const { plan, why_not: why } = await ask(`plan?queryid=${queryid}&database=${database}&node=${node}`)
    await eventually(async () => assert.ok((await text(page, '.plan')).includes(plan ?? why)))
    assert.ok(decodeURIComponent((await page.evaluate(() => location.hash)).replaceAll('+', ' ')).includes(queryid))
    await page.keyboard.press('Escape')
    assert.equal(await page.$('.statement'), null)
    assert.equal(await page.evaluate(() => document.activeElement.dataset.key), key)
  })
})

test('an address that is shared opens the same statement, with its plan', needsStates, async () => {
  const key = JSON.stringify(['db1:5432', 'learning', '-6143820015912345678', 'lyceum_app', '1'])
  await visit(`#statements?filter=stories&open=${encodeURIComponent(key)}`, {}, async (page) => {
    await page.waitForSelector('.plan[data-state="shown"]')
    assert.match(await text(page, '.plan pre'), /Nested Loop Left Join/)
    await page.waitForSelector('.callers[data-state="shown"]')
    assert.match(await text(page, '.callers'), /learning\.stories_page: p50 .*p95 .*p99/)
    assert.equal(await page.$eval('#filter', (field) => field.value), 'stories')
    const states = await page.$$eval('.statement [data-chart]', (all) => all.map((chart) => chart.dataset.state))
    assert.deepEqual(states, ['drawn', 'drawn', 'drawn'])
  })
})

test('a statement of a real server opens into its history and its plan', { skip: !real || !complete }, async () => {
  // One that the service asks, and that has a plan: COMMIT has none.
  const { samples } = await ask('latest?collector=statements')
  const rows = samples.flatMap(({ node, database, rows: all }) => all.map((row) => ({ node, database, ...row })))
  const one = rows.find(({ query }) => query?.includes('learning.stories_page'))
  assert.ok(one, 'the service has asked nothing')
  const key = JSON.stringify([one.node, one.database, one.queryid, one.user, String(one.toplevel)])
  await visit(`#statements?range=15m&open=${encodeURIComponent(key)}`, {}, async (page) => {
    await page.waitForSelector('.plan[data-state="shown"]')
    const { plan } = await ask(`plan?queryid=${one.queryid}&database=${one.database}&node=${one.node}`)
    assert.ok(plan, 'no plan')
    assert.ok((await text(page, '.plan')).includes(plan))
    await eventually(async () => {
      const states = await page.$$eval('.statement [data-chart]', (all) => all.map((chart) => chart.dataset.state))
      assert.deepEqual(states, ['drawn', 'drawn', 'drawn'])
    }, 60_000)
    await page.waitForSelector('.callers[data-state="shown"]')
    assert.match(await text(page, '.callers'), /learning\.stories_page: p50 .*p95 .*p99/)
  })
})

test('everything can be done by keys', async () => {
  await visit('', {}, async (page) => {
    const press = async (...keys) => {
      for (const key of keys) await page.keyboard.press(key)
    }
    await press('?')
    assert.equal(await page.$eval('#help', (dialog) => dialog.open), true)
    await press('Escape')
    assert.equal(await page.$eval('#help', (dialog) => dialog.open), false)
    for (const [key, section] of [['v', 'vacuum'], ['i', 'indexes'], ['a', 'alerts'], ['c', 'collectors']]) {
      await press('g', key)
      await page.waitForFunction((wanted) => location.hash.startsWith(`#${wanted}`), {}, section)
      assert.equal(await page.$eval('nav a[aria-current]', (link) => link.dataset.section), section)
    }
    await settled(page)
    await page.waitForSelector('[data-table="collectors"] tr[data-key]')
    await press('/')
    assert.equal(await page.evaluate(() => document.activeElement.id), 'filter')
    await page.keyboard.type('statements')
    await page.waitForFunction(() => location.hash.includes('filter=statements'))
    const names = await page.$$eval('[data-table="collectors"] tr[data-key]', (all) => all.map((row) => row.textContent))
    assert.ok(names.length > 0 && names.every((name) => name.includes('statements')))
    await press('Enter')
    assert.equal(await page.evaluate(() => document.activeElement.tagName), 'TR')
    await press('j', 'k', 'Enter')
    await page.waitForSelector('tr.detail')
    await press('Escape')
    assert.equal(await page.$('tr.detail'), null)
    await page.focus('[data-table="collectors"] thead th:nth-child(2) button')
    await press('Enter')
    const sortedBy = await page.$$eval('[data-table="collectors"] th[aria-sort]', (all) => all.map((header) => header.textContent.trim()))
    assert.equal(sortedBy.length, 1)
    const before = await page.evaluate(() => document.documentElement.dataset.theme ?? 'system')
    await page.evaluate(() => document.activeElement.blur())
    await press('t')
    assert.notEqual(await page.evaluate(() => document.documentElement.dataset.theme ?? 'system'), before)
    await press('t', 't')
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme ?? 'system'), before)
    await press('p')
    assert.equal(await text(page, '#pause'), 'Go on')
    await press('p', 'g', 'o', '3')
    await page.waitForFunction(() => location.hash === '#overview?range=6h')
    await settled(page)
    await press('j')
    assert.equal(await page.evaluate(() => document.activeElement.tagName), 'SUMMARY')
    await press('Enter')
    assert.equal(await page.evaluate(() => document.activeElement.parentElement.open), true)
    await press('Escape')
    assert.equal(await page.evaluate(() => document.activeElement.parentElement.open), false)
  })
})

for (const scheme of ['light', 'dark']) {
  test(`text can be read in ${scheme}, by WCAG AA`, async () => {
    await visit('', { scheme }, async (page) => {
      let texts = 0
      for (const section of sections) {
        await page.evaluate((to) => (location.hash = `#${to}`), section)
        await page.waitForFunction((to) => document.getElementById(`section-${to}`) && !document.getElementById(`section-${to}`).hidden, {}, section)
        await settled(page)
        await page.evaluate(() => document.querySelectorAll('.section:not([hidden]) details').forEach((one) => (one.open = true)))
        await page.evaluate(() => document.querySelector('.section:not([hidden]) .open')?.click())
        const found = await page.evaluate(() => {
          const channels = (colour) => {
            const numbers = colour.match(/[\d.]+/g).map(Number)
            if (!/^rgb/.test(colour)) throw new Error(`a colour of another kind: ${colour}`)
            return { rgb: numbers.slice(0, 3), alpha: numbers[3] ?? 1 }
          }
          const luminance = (rgb) => {
            const [r, g, b] = rgb.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4))
            return 0.2126 * r + 0.7152 * g + 0.0722 * b
          }
          const over = (top, bottom) => top.rgb.map((value, at) => value * top.alpha + bottom[at] * (1 - top.alpha))
          const ground = (element) => {
            const layers = []
            for (let at = element; at; at = at.parentElement) layers.push(channels(getComputedStyle(at).backgroundColor))
            return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255])
          }
          const failures = []
          let count = 0
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
          while (walker.nextNode()) {
            const element = walker.currentNode.parentElement
            if (walker.currentNode.textContent.trim() === '' || element.closest('script, noscript, option, .aside')) continue
            if (!element.checkVisibility({ visibilityProperty: true })) continue
            const style = getComputedStyle(element)
            const behind = ground(element)
            const [light, dark] = [luminance(over(channels(style.color), behind)), luminance(behind)].sort((a, b) => b - a)
            const ratio = (light + 0.05) / (dark + 0.05)
            const size = parseFloat(style.fontSize)
            const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700)
            ++count
            if (ratio < (large ? 3 : 4.5)) failures.push(`${ratio.toFixed(2)} ${element.tagName}.${element.className} “${walker.currentNode.textContent.trim().slice(0, 40)}”`)
          }
          return { count, failures: [...new Set(failures)] }
        })
        texts += found.count
        assert.deepEqual(found.failures, [], section)
      }
      assert.ok(texts > 300, `only ${texts} texts were looked at`)
    })
  })
}

test('at 375 px nothing scrolls sideways but tables, in their own boxes', async () => {
  await visit('', { width: 375 }, async (page) => {
    for (const section of sections) {
      await page.evaluate((to) => (location.hash = `#${to}`), section)
      await page.waitForFunction((to) => document.getElementById(`section-${to}`) && !document.getElementById(`section-${to}`).hidden, {}, section)
      await settled(page)
      await page.evaluate(() => document.querySelectorAll('.section:not([hidden]) details').forEach((one) => (one.open = true)))
      await page.evaluate(() => document.querySelector('.section:not([hidden]) .open')?.click())
      await pause(100)
      const wide = await page.evaluate(() => {
        const beyond = [...document.querySelectorAll('body *')].filter(
          (element) => !element.closest('table, .aside, .skip, dialog, .uplot') && element.checkVisibility() && element.getBoundingClientRect().right > innerWidth + 0.5)
        // What is wider than its box has to be reached.
        for (const box of document.querySelectorAll('.box')) {
          if (box.scrollWidth > box.clientWidth && !/auto|scroll/.test(getComputedStyle(box).overflowX)) beyond.push(box)
        }
        return { page: document.documentElement.scrollWidth - innerWidth, beyond: beyond.map((element) => `${element.tagName}.${element.className}`) }
      })
      assert.deepEqual(wide, { page: 0, beyond: [] }, section)
    }
    await page.click('#menu')
    assert.equal(await page.$eval('nav', (nav) => nav.checkVisibility()), true)
    await page.click('nav a[data-section="nodes"]')
    await page.waitForFunction(() => location.hash.startsWith('#nodes'))
    assert.equal(await page.$eval('nav', (nav) => nav.checkVisibility()), false)
  })
})

test('the whole page is under 150 kB, compressed, and guarded', async () => {
  await visit('about:blank'.slice(0, 0), {}, async (page) => {
    const session = await page.createCDPSession()
    await session.send('Network.enable')
    await session.send('Network.setCacheDisabled', { cacheDisabled: true })
    const paths = new Map()
    let bytes = 0
    let policy = ''
    session.on('Network.responseReceived', ({ requestId, response, type }) => {
      paths.set(requestId, new URL(response.url).pathname)
      const named = Object.entries(response.headers).find(([name]) => name.toLowerCase() === 'content-security-policy')
      if (type === 'Document') policy = named?.[1] ?? ''
    })
    session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
      if (!paths.get(requestId)?.startsWith('/v1/')) bytes += encodedDataLength
    })
    await page.reload({ waitUntil: 'domcontentloaded' })
    await settled(page)
    console.log(`# the page: ${bytes} bytes, with headers`)
    assert.ok(bytes > 20_000 && bytes < 150_000, `${bytes} bytes`)
    assert.match(policy, /default-src 'none'/)
    assert.doesNotMatch(policy, /unsafe/)
  })
})

test('it has landmarks, a heading, named tables, and says what changes', async () => {
  await visit('#nodes', {}, async (page) => {
    const found = await page.evaluate(() => ({
      one: ['main', 'nav', 'h1', '[aria-live="polite"]'].map((name) => document.querySelectorAll(name).length),
      unnamed: [...document.querySelectorAll('button, input, select, a')].filter((one) => !(one.textContent.trim() || one.getAttribute('aria-label') || one.labels?.length)).length,
      tables: [...document.querySelectorAll('table')].filter((table) => !table.caption?.textContent || [...table.tHead.querySelectorAll('th')].some((header) => header.scope !== 'col' && !header.classList.contains('opener'))).length,
    }))
    assert.deepEqual(found, { one: [1, 1, 1, 1], unnamed: 0, tables: 0 })
  })
})

test('a change of verdicts is told, and the page is up to date without a reload', needsStates, async () => {
  admin.set('healthy')
  try {
    await visit('', {}, async (page) => {
      assert.equal(await text(page, '[data-part="headline"]'), 'All is well')
      assert.equal(await page.title(), 'Lyceum')
      admin.set('bad')
      await asksAnew(page)
      await page.waitForFunction(() => document.getElementById('announce').textContent.includes('critical'))
      assert.equal(await text(page, '[data-part="headline"]'), '4 critical, 5 warnings, 1 note')
      assert.equal(await page.title(), '(4) Lyceum')
    })
  } finally {
    admin.set('bad')
  }
})

test('without history it says so, and nothing is blank', needsStates, async () => {
  admin.set('empty')
  try {
    for (const section of sections) {
      await visit(`#${section}`, {}, async (page) => {
        const said = await page.$$eval('.section:not([hidden]) :is([data-chart], [data-table])', (all) =>
          all.map((one) => [one.dataset.chart ?? one.dataset.table, one.querySelector('.empty').hidden ? '' : one.querySelector('.empty').textContent]))
        assert.ok(said.length > 0, section)
        for (const [name, words] of said) assert.ok(words.length > 10, `${section}: ${name} is blank`)
        if (section === 'overview') assert.ok(said.filter(([, words]) => /Not enough history/.test(words)).length >= 6)
      })
    }
  } finally {
    admin.set('bad')
  }
})

test('while nothing answers it says since when, keeps what it has, tries on, and recovers', needsStates, async () => {
  try {
    await visit('', { silence: true }, async (page) => {
      await settled(page)
      const started = Date.now()
      admin.set('unreachable')
      await asksAnew(page)
      await page.waitForSelector('#banner:not([hidden])')
      const banner = await text(page, '#banner')
      const [, hours, minutes, seconds] = banner.match(/has not answered since (\d\d):(\d\d):(\d\d)/).map(Number)
      const since = new Date(started).setHours(hours, minutes, seconds)
      assert.ok(Math.abs(since - started) < 5000, banner)
      assert.match(banner, /What is shown is of \d\d:\d\d:\d\d/)
      assert.equal(await page.$$eval('[data-chart][data-state="drawn"]', (all) => all.length), 8)
      assert.equal((await page.$$('li[data-rule]')).length, 13)
      const asked = admin.asked.length
      await eventually(() => assert.ok(admin.asked.length > asked))
      admin.set('bad')
      await page.waitForSelector('#banner', { hidden: true, timeout: 20_000 })
    })
    admin.set('unreachable')
    for (const section of ['overview', 'statements', 'alerts']) {
      await visit(`#${section}`, { silence: true }, async (page) => {
        await page.waitForSelector('#banner:not([hidden])')
        assert.ok((await text(page, 'main')).length > 20)
      })
    }
    // A tab that nobody sees asks nothing.
    await visit('', { silence: true }, async (page) => {
      await page.waitForSelector('#banner:not([hidden])')
      await page.evaluate(() => {
        Object.defineProperty(document, 'hidden', { value: true, configurable: true })
        document.dispatchEvent(new Event('visibilitychange'))
      })
      await pause(500)
      const asked = admin.asked.length
      await pause(5000)
      assert.equal(admin.asked.length, asked)
    })
  } finally {
    admin.set('bad')
  }
})

test('what databases are called runs nowhere, on any section', needsStates, async () => {
  for (const section of sections) {
    await visit(`#${section}`, {}, async (page) => {
      await page.evaluate(() => document.querySelectorAll('.open, summary').forEach((one) => one.click()))
      await pause(200)
      assert.equal(await page.$$eval('main img, main script, main iframe', (all) => all.length), 0)
    })
  }
})

test('the made-up states have the columns of the server’s collectors', needsStates, () => {
  assert.ok(collectors.length >= 24)
})
