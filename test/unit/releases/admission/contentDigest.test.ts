import { describe, expect, it } from 'vitest'
import { contentDigest, versionIdentity } from '../../../../src/releases/admission/contentDigest.js'
import { rejectedReport } from '../../../../src/releases/admission/rejectedReport.js'
import { isSignedBy, signReport } from '../../../../src/releases/admission/reportSignature.js'
import { contract, manifestOf } from '../../support/domain.js'

const checkedBy = { riskgate: '1.0.0', onnxRuntime: '1.30.0', platform: 'linux x64' }
const files = [
  { name: 'model.onnx', sha256: 'a'.repeat(64) },
  { name: 'golden.jsonl', sha256: 'b'.repeat(64) },
]

describe('the digest of what was checked', () => {
  const digest = contentDigest({ files, contract, checkedBy })

  it('is the same for files and keys in another order', () => {
    const { features, ...rest } = contract
    expect(contentDigest({ files: [...files].reverse(), contract: { features, ...rest }, checkedBy })).toBe(digest)
  })

  it.each([
    ['a file', { files: [{ name: 'model.onnx', sha256: 'c'.repeat(64) }, ...files.slice(1)] }],
    ['the name of a file', { files: [{ name: 'other.onnx', sha256: 'a'.repeat(64) }, ...files.slice(1)] }],
    ['the contract', { contract: { ...contract, features: contract.features.slice(1) } }],
    ['the runtime', { checkedBy: { ...checkedBy, onnxRuntime: '1.31.0' } }],
    ['the processor', { checkedBy: { ...checkedBy, platform: 'linux arm64' } }],
  ])('changes with %s', (_what, change) => {
    expect(contentDigest({ files, contract, checkedBy, ...change })).not.toBe(digest)
  })
})

describe('the identity of a version', () => {
  const manifest = manifestOf({ name: 'probability', column: 0 })

  it('is that of its answers: graph, inputs, output and bands', () => {
    expect(versionIdentity({ ...manifest, algorithm: 'other', metrics: [] } as typeof manifest)).toBe(versionIdentity(manifest))
    const renamed = { ...manifest.onnx, file: 'other.onnx' }
    expect(versionIdentity({ ...manifest, onnx: renamed })).toBe(versionIdentity(manifest))
    const bands = { ...manifest.bands, highRiskFrom: 'T2' as const }
    expect(versionIdentity({ ...manifest, bands })).not.toBe(versionIdentity(manifest))
    const onnx = { ...manifest.onnx, output: { name: 'probability', column: 1 } }
    expect(versionIdentity({ ...manifest, onnx })).not.toBe(versionIdentity(manifest))
  })
})

describe('a signed report', () => {
  const report = rejectedReport({ model: 'm', version: '1', content: 'a'.repeat(64), checkedBy }, ['a problem'])
  const key = Buffer.alloc(32, 1)
  const signature = signReport(report, key)

  it('is recognised, also after a way through JSON', () => {
    expect(isSignedBy(JSON.parse(JSON.stringify(report)), signature, key)).toBe(true)
  })

  it.each([
    ['another report', { ...report, problems: [] }, signature, key],
    ['another key', report, signature, Buffer.alloc(32, 2)],
    ['a signature that is cut', report, signature.slice(2), key],
    ['no signature', report, '', key],
    ['a text', report, 'not hexadecimal', key],
  ])('is refused with %s', (_what, given, mac, secret) => {
    expect(isSignedBy(given, mac, secret)).toBe(false)
  })
})
