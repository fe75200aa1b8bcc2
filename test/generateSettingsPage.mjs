// Writes the tables and the list of docs/operations/settings.md from the settings, as `npm run build` has left them in dist/.
// `--check` tells whether they are up to date.
import { readFileSync, writeFileSync } from 'node:fs'
import { argv, exit, stderr } from 'node:process'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

const PAGE = fileURLToPath(new URL('../docs/operations/settings.md', import.meta.url))
const BEGIN = '<!-- From here to the next mark, `npm run generate` writes this page from src/config/. -->'
const END = '<!-- Written by hand again. -->'

/** The page with its tables and its list made anew; what stands before and after them stays. */
export function settingsPage(page, { groups, secrets, refusals }) {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin === -1 || end < begin) throw new Error('The marks of the generated part are missing.')
  const tables = Object.entries(groups).map(([title, group]) => `## ${title}\n\n${table(group, secrets)}`)
  const list = refusals.map(({ problem }) => `- ${problem.replace(/\b[A-Z]+(_[A-Z]+)+\b/g, '`$&`')}`).join('\n')
  const refused = `## Refused combinations\n\nEach ends the start with exit code 78 and this sentence.\n\n${list}`
  return `${page.slice(0, begin)}${[BEGIN, ...tables, refused, END].join('\n\n')}${page.slice(end + END.length)}`
}

function table(group, secrets) {
  const { properties } = z.toJSONSchema(z.object(group), { unrepresentable: 'any' })
  const rows = Object.entries(properties).map(([key, facts]) => {
    if (!facts.description) throw new Error(`${key} has no description.`)
    const secret = secrets.includes(key) ? `. **Secret**: may also come from a file, \`${key}_FILE\`` : ''
    return `| ${[`\`${key}\``, defaultOf(facts), formOf(facts), facts.description + secret].join(' | ')} |`
  })
  return ['| setting | default | form | meaning |', '|---|---|---|---|', ...rows].join('\n')
}

function defaultOf({ default: value }) {
  const text = String(value ?? '')
  return text && `\`${text}\``
}

function formOf({ type, enum: choices, minimum, maximum, form = '' }) {
  if (choices) return choices.map(choice => `\`${choice}\``).join(', ')
  if (type === 'boolean') return '`true`, `false`'
  if (minimum === undefined) return form
  return `${minimum.toLocaleString('en')} to ${maximum.toLocaleString('en')}`
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const { SETTING_GROUPS, SECRETS } = await import('../dist/config/settings.js')
  const { REFUSALS } = await import('../dist/config/refusals.js')
  const page = readFileSync(PAGE, 'utf8')
  const made = settingsPage(page, { groups: SETTING_GROUPS, secrets: SECRETS, refusals: REFUSALS })
  if (!argv.includes('--check')) writeFileSync(PAGE, made)
  else if (made !== page) {
    stderr.write('docs/operations/settings.md is not made from these settings: run `npm run generate`.\n')
    exit(1)
  }
}
