import { mkdirSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Role } from '../../src/auth/principal.js'
import { PostgresVersionStore } from '../../src/storage/releases/versionStore.js'
import { type Browser, type Page, startBrowser } from '../support/browser.js'
import { signToken, startGateway, type TestGateway } from '../support/gateway.js'
import { ModelsDocument, PromoteModelVersionDocument, SetTrafficSplitDocument } from '../support/generated/operations.js'
import { until } from '../support/process.js'
import { newVersion, rejectedVersion } from '../support/releases.js'
import { storesOf } from '../support/stores.js'

const MODEL = 'consumer-credit'
const MARKUP = '<img src=x onerror="document.title=1"> is only text.'
const PICTURES = 'dist/pages'
const PHONE = { width: 360, height: 740 }
const DESK = { width: 1280, height: 900 }

let gateway: TestGateway
let browser: Browser
let password: string
beforeAll(async () => {
  mkdirSync(PICTURES, { recursive: true })
  gateway = await startGateway({ RISKGATE_RATE_LIMIT_PRINCIPAL: '0' })
  browser = await startBrowser()
  password = await signToken({ roles: ['ANALYST'] })
  await release(gateway)
})
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]()
  await gateway?.[Symbol.asyncDispose]()
})

/** Versions in each state, a rollout that uses them, and changes of it. */
async function release({ database, as }: TestGateway): Promise<void> {
  await using stores = storesOf(database.url)
  const versions = new PostgresVersionStore(stores.database)
  const quality = { rows: 420, auc: 0.8512, ks: 0.551, gini: 0.7024, brier: 0.1203 }
  const report = {
    warnings: ['home "ignore" is in no golden row.'],
    golden: { rows: 420, worstDeviation: 1.1e-7 },
    bandShares: [0.31, 0.22, 0.14, 0.11, 0.09, 0.07, 0.04, 0.02],
    quality,
    comparison: { champion: '2', psi: 0.021, quality: { ...quality, auc: 0.8449, brier: 0.12 } },
    cost: { loadMs: 12.4, rowMs: 0.21, groupMs: 3, groupRows: 256, peakBytes: 90_000_000 },
  }
  const origin = { source: 'mlflow', name: 'credit', version: '7', runId: '1f2e3d4c5b6a' } as const
  await versions.put(newVersion({ version: '3', report, origin }))
  await versions.put(rejectedVersion('broken', 'golden row 12 gives 0.93, expected 0.07: is the output that of the other class?'))
  const ann = await as({ roles: ['MODEL_MANAGER'], subject: 'ann' })
  await ann.data(PromoteModelVersionDocument, { input: { model: MODEL, version: '1', reason: MARKUP } })
  await ann.data(PromoteModelVersionDocument, { input: { model: MODEL, version: '2', reason: 'Better on the held-out rows.' } })
  const split = { challenger: { version: '1', share: 0.25 }, reason: 'To compare both.' }
  await ann.data(SetTrafficSplitDocument, { input: { model: MODEL, ...split } })
  await until(async () => {
    const { models } = await ann.data(ModelsDocument, {})
    const stages = models.flatMap(model => model.versions.map(({ version, stage }) => `${version} ${stage}`))
    return ['1 CHALLENGER', '2 CHAMPION', '3 CANDIDATE', 'broken REJECTED'].every(wanted => stages.includes(wanted))
  })
}

const address = async (...roles: Role[]) => `${gateway.url}/models#token=${await signToken({ roles })}`
const overflow = (page: Page) => page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')

it.each<Role>(['MODEL_MANAGER', 'ANALYST', 'ADMIN'])('shows %s the rollout, the reports and the changes', async role => {
  const page = await browser.open(await address(role), password)
  await page.shows('To compare both.')
  for (const text of [
    '1, answers 25% of the applicants',
    'golden row 12 gives 0.93',
    'Challenger: 1 with 25%; shadow: none',
    'Version 2 becomes champion',
    'ann, ',
    MARKUP,
  ])
    await page.shows(text)
  await page.evaluate(`for (const d of document.querySelectorAll('details')) d.open = true`)
  for (const text of [
    'home "ignore" is in no golden row.',
    '420, at most 0.00000011 from the library',
    '+0.0063 better',
    '+0.0003 worse',
    '0.021 against version 2: the scores have hardly shifted',
    'MLflow: credit 7, run 1f2e3d4c5b6a',
    '86 MiB',
    'yes, by this installation',
  ])
    await page.shows(text)
  expect(await page.evaluate('location.hash')).toBe('')
  expect(await page.evaluate('document.title')).toBe('riskgate models')
  expect(page.complaints).toEqual([])
  expect(page.requests.filter(url => !url.startsWith(`${gateway.url}/`) && !url.startsWith('data:'))).toEqual([])
})

it('fits a phone, in light and in dark', async () => {
  for (const dark of [false, true]) {
    for (const size of [PHONE, DESK]) {
      const page = await browser.open(await address('MODEL_MANAGER'), password, { ...size, dark })
      await page.shows('To compare both.')
      await page.evaluate(`for (const d of document.querySelectorAll('details')) d.open = true`)
      await page.picture(`${PICTURES}/models-${size.width}-${dark ? 'dark' : 'light'}.png`)
      expect({ ...size, overflow: await overflow(page) }).toEqual({ ...size, overflow: 0 })
    }
  }
})

it('is read by a screen reader, and used with a keyboard', async () => {
  const page = await browser.open(await address('ANALYST'), password)
  await page.shows('To compare both.')
  const nodes = await page.accessible()
  for (const node of [
    'heading riskgate models',
    `heading ${MODEL}`,
    'heading Version 2',
    'heading Last changes',
    'textbox Access token',
    'button Refresh',
    'navigation Other pages',
    'columnheader Share',
    'rowheader T8',
  ])
    expect(nodes).toContain(node)
  expect(nodes.filter(node => /^(table|button|textbox|link|heading)$/.test(node))).toEqual([])

  const focused = () => page.evaluate<string>('document.activeElement.matches("summary") ? document.activeElement.innerText : ""')
  for (let tabs = 0; !(await focused()).includes('Version 3'); tabs++) {
    expect(tabs).toBeLessThan(30)
    await page.press('Tab')
  }
  expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
  await page.press('Enter')
  await page.shows('MLflow: credit 7')
})

it('says what to do without a token, with a wrong one, and without the role', async () => {
  const empty = await browser.open(`${gateway.url}/models`, password, PHONE)
  await empty.shows('of a MODEL_MANAGER, ANALYST or ADMIN to see the models')
  await empty.picture(`${PICTURES}/models-no-token.png`)
  const wrong = await browser.open(`${gateway.url}/models#token=wrong`, password, PHONE)
  await wrong.shows('Enter another token.')
  await wrong.picture(`${PICTURES}/models-wrong-token.png`)
  const scorer = await browser.open(await address('SCORER'), password, PHONE)
  await scorer.shows('This page is for the roles MODEL_MANAGER, ANALYST and ADMIN.')
  await scorer.shows('with role SCORER')
  await scorer.picture(`${PICTURES}/models-forbidden.png`)
  expect(await scorer.evaluate(`document.querySelectorAll('h2').length`)).toBe(0)
  for (const page of [empty, wrong, scorer]) expect(await overflow(page)).toBe(0)
})

it('keeps what it shows while the gateway is gone, and says so', async () => {
  const ending = await startGateway()
  let isOver = false
  try {
    const page = await browser.open(`${ending.url}/models#token=${password}`, password, PHONE)
    await page.shows('the models folder, ')
    await ending[Symbol.asyncDispose]()
    isOver = true
    await page.evaluate(`[...document.querySelectorAll('button')].find(b => b.innerText === 'Refresh').click()`)
    await page.shows(
      'The models could not be loaded. The gateway cannot be reached. Check your connection. What follows is as of',
    )
    await page.shows('Try again')
    await page.shows('Version 2')
    await page.picture(`${PICTURES}/models-gone.png`)
  } finally {
    if (!isOver) await ending[Symbol.asyncDispose]()
  }
})

it('says where the gateway has not applied what the rollout says', async () => {
  // Its report is about other answers than its graph gives, so no gateway loads it.
  const shadow = { version: '3', share: 0.5 }
  const ann = await gateway.as({ roles: ['MODEL_MANAGER'] })
  await ann.data(SetTrafficSplitDocument, { input: { model: MODEL, shadow, reason: 'To try it.' } })
  const page = await browser.open(await address('MODEL_MANAGER'), password, PHONE)
  await page.shows('3, scores 50% of the applications once more')
  await page.evaluate(`for (const d of document.querySelectorAll('details')) d.open = true`)
  await page.shows('By the rollout it is SHADOW, but the gateway that you asked has not applied this.')
})
