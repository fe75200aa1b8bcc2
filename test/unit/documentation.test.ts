import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'

const pagesIn = (folder: string) =>
  readdirSync(folder, { recursive: folder !== '.', encoding: 'utf8' })
    .filter(file => file.endsWith('.md'))
    .map(file => join(folder, file))
const PAGES = ['.', 'docs', 'bench', 'training', 'deploy'].flatMap(pagesIn)

const textOf = (page: string) => readFileSync(page, 'utf8').replace(/```[\s\S]*?```/g, '')
const linksOf = (page: string) =>
  [...textOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link).filter(link => !/^\w+:/.test(link))

/** The anchors of a page, as GitHub makes them of its headings. */
function anchorsOf(page: string): string[] {
  return [...textOf(page).matchAll(/^#+ +(.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  )
}

it('every link of a page leads to a file, and its anchor to a heading', () => {
  expect(PAGES).toEqual(expect.arrayContaining(['README.md', 'docs/operations/runbooks.md', 'deploy/helm/riskgate/README.md']))
  const lost = PAGES.flatMap(page =>
    linksOf(page).filter(link => {
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? page : join(dirname(page), file)
      return !existsSync(target) || (anchor && target.endsWith('.md') && !anchorsOf(target).includes(anchor))
    }),
  )
  expect(lost).toEqual([])
})

it.each([
  ['docs/README.md', (page: string) => /^docs\/(?:\w|-)+\.md$|^docs\/(?:operations|security)\//.test(page)],
  ['docs/operations/README.md', (page: string) => page.startsWith('docs/operations/')],
  ['docs/security/README.md', (page: string) => page.startsWith('docs/security/')],
  ['docs/adr/README.md', (page: string) => page.startsWith('docs/adr/')],
])('%s leads to every page below it', (index, isBelow) => {
  const linked = linksOf(index).map(link => join(dirname(index), link.split('#')[0] ?? ''))
  const below = PAGES.filter(page => isBelow(page) && page !== index)
  expect(below.length).toBeGreaterThan(8)
  expect(below.filter(page => !linked.includes(page))).toEqual([])
})
