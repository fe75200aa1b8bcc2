// `npm run test:recipes`: runs each recipe of docs/recipes.md as it stands there, and its `riskgate model init`. TEST_RECIPES_PYTHON
// names the Python of an environment that has training/requirements-recipes.txt already.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { manifestSchema } from '../../dist/scoring/manifest.js'

const MAIN = resolve('dist/main.js')
const page = readFileSync('docs/recipes.md', 'utf8')
const folder = mkdtempSync(join(tmpdir(), 'riskgate-recipes-'))
try {
  const python = process.env.TEST_RECIPES_PYTHON ?? installed()
  const [rows] = blocks(page, 'python')
  const [command] = blocks(page, 'sh')
  const recipes = page.split('\n## ').filter(section => blocks(section, 'python recipe').length > 0)
  assert.ok(recipes.length >= 6, 'the page has lost its recipes')
  for (const recipe of recipes) check(recipe, { python, rows, command })
  const manifests = blocks(page, 'json')
  assert.equal(manifests.length, 2)
  for (const manifest of manifests) manifestSchema.parse(JSON.parse(manifest))
  process.stdout.write(`${recipes.length} recipes make a version that serves; ${manifests.length} manifests are valid\n`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function check(recipe, { python, rows, command }) {
  const title = recipe.split('\n')[0]
  const cwd = mkdtempSync(join(folder, 'recipe-'))
  writeFileSync(join(cwd, 'recipe.py'), [rows, ...blocks(recipe, 'python recipe')].join('\n'))
  run(python, ['-W', 'ignore', 'recipe.py'], { cwd, title })
  const [program, ...options] = command.trim().split(' ')
  assert.equal(program, 'riskgate')
  const made = run(process.execPath, [MAIN, ...options], { cwd, title })
  assert.match(made, /^ok {7}loans\/1 .* 4 features$/m, `${title}: no version that serves:\n${made}`)
  const [deviation] = /differ from it by at most \S+/.exec(made) ?? []
  assert.ok(Number(deviation?.split(' ').at(-1)) <= 1e-5, `${title}: ${deviation}`)
  process.stdout.write(`${title}: ${deviation}\n`)
}

function run(program, options, { cwd, title }) {
  const { status, stdout, stderr } = spawnSync(program, options, { cwd, encoding: 'utf8' })
  assert.equal(status, 0, `${title}: ${stderr}`)
  return stdout
}

function blocks(text, language) {
  return text
    .split(`\`\`\`${language}\n`)
    .slice(1)
    .map(block => block.split('```')[0])
}

function installed() {
  process.stdout.write('installing the libraries, which takes about two minutes\n')
  const environment = join(folder, 'python')
  execFileSync(process.env.PYTHON ?? 'python3', ['-m', 'venv', environment])
  const python = join(environment, 'bin/python')
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', 'training/requirements-recipes.txt']
  execFileSync(python, pip, { stdio: ['ignore', 'ignore', 'inherit'] })
  return python
}
