// The programs of `npm run test:helm`, which prepare.mjs puts into the cache.
import { execFile, execFileSync } from 'node:child_process'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export const PYTHON_PACKAGES = ['kubernetes-validate==1.37.0', 'checkov==3.3.30', 'cfn-lint==1.58.0', 'PyYAML==6.0.4']
export const CACHE = process.env.TEST_HELM_CACHE ?? join(homedir(), '.cache/riskgate-tools')
// Another helm, such as version 3, is tried with HELM=/path/to/helm.
export const HELM = process.env.HELM || join(CACHE, 'helm-4.3.2')
export const PYTHON_PROGRAMS = join(CACHE, 'python-1')

const YAML_TO_JSON = `
import json, sys, yaml
class Strict(yaml.SafeLoader):
    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        repeated = [key for key in keys if keys.count(key) > 1]
        if repeated: raise ValueError(f'{node.start_mark}: {repeated[0]} appears twice')
        return super().construct_mapping(node, deep)
def short_form(loader, name, node):
    if isinstance(node, yaml.ScalarNode): return {name: node.value}
    if isinstance(node, yaml.SequenceNode): return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}
Strict.add_multi_constructor('!', short_form)
json.dump([document for document in yaml.load_all(sys.stdin, Strict) if document], sys.stdout)`

/**
 * The documents of a YAML text; `!Ref x` of CloudFormation becomes { Ref: 'x' }. @throws Error when a key appears twice in one place
 */
export function parseYaml(text) {
  return JSON.parse(execFileSync(`${PYTHON_PROGRAMS}/bin/python`, ['-c', YAML_TO_JSON], { input: text }))
}

/** Runs one of the programs. Answers its exit code and what it printed. */
export async function run(program, arguments_, options = {}) {
  const path = program === 'helm' ? HELM : program === 'node' ? process.execPath : `${PYTHON_PROGRAMS}/bin/${program}`
  const settings = { maxBuffer: 256 * 1024 * 1024, ...options }
  return promisify(execFile)(path, arguments_, settings).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    error => {
      // A program that could not be run has no exit code.
      if (typeof error.code !== 'number') throw error
      return { code: error.code, stdout: error.stdout, stderr: error.stderr }
    },
  )
}
