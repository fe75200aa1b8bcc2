// `npm run test:upgrade`: takes the last release from git, builds it with its own packages, and runs it beside the new version.
// With `-- --record`, the statements that it sends are noted in test/fixtures/releases/, for `npm test`.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const [, version] = /^## (\d+\.\d+\.\d+)/m.exec(readFileSync('CHANGELOG.md', 'utf8')) ?? []
const folder = mkdtempSync(join(tmpdir(), 'riskgate-release-'))
try {
  process.exitCode = run(releaseCommit(), join(folder, 'release'))
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** Its tag, or else the first commit with its version. */
function releaseCommit() {
  const git = (...given) => spawnSync('git', given, { encoding: 'utf8' }).stdout.trim()
  const tag = git('rev-parse', '--verify', '--quiet', `v${version}^{commit}`)
  const commit = tag || git('log', '--format=%H', `-S"version": "${version}"`, '--', 'package.json').split('\n').at(-1)
  if (!commit) throw new Error(`The history of git has no release ${version}: clone without --depth.`)
  return commit
}

function run(commit, release) {
  const { TEST_OLD_RELEASE } = process.env
  if (!TEST_OLD_RELEASE) {
    process.stdout.write(`building release ${version} (${commit.slice(0, 7)})\n`)
    mkdirSync(release)
    execFileSync('tar', ['-x', '-C', release], { input: execFileSync('git', ['archive', commit], { maxBuffer: 1 << 30 }) })
    for (const step of [['ci'], ['run', '-s', 'build']])
      execFileSync('npm', step, { cwd: release, stdio: ['ignore', 'ignore', 'inherit'] })
  }
  const env = {
    ...process.env,
    TEST_OLD_RELEASE: TEST_OLD_RELEASE ?? release,
    TEST_OLD_VERSION: version,
    ...(process.argv.includes('--record') && { TEST_RECORD: '1' }),
  }
  return spawnSync(process.execPath, ['test/run.mjs', 'test/upgrade/sideBySide.test.ts'], { stdio: 'inherit', env }).status ?? 1
}
