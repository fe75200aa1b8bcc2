import type { ModelEntry } from '../releases/serving/modelRegistry.js'
import type { FeatureContract, Model, ModelVersion } from '../schema/model.js'
import { bandIntervals } from '../scoring/bands.js'
import type { FeatureContract as ContractedFeature } from '../scoring/contract.js'
import type { InstalledVersion } from '../scoring/release.js'

/** A feature with its descriptions in all languages; the resolver picks the one that the caller asks for. */
export type FeatureView = FeatureContract & { readonly descriptions: ContractedFeature['description'] }

export function toModel({ contract, versions, champion }: ModelEntry): Model {
  const views = versions.map(toModelVersion)
  return {
    name: contract.name,
    inputField: contract.inputField,
    contract: contract.features.map(toFeature),
    versions: views,
    champion: views.find(({ version }) => version === champion?.manifest.version),
  }
}

/** A version does not change, and each prediction may show it: its view is made once. */
export function toModelVersion(version: InstalledVersion): ModelVersion {
  const known = viewOf.get(version) ?? newView(version)
  viewOf.set(version, known)
  return known
}

const viewOf = new WeakMap<InstalledVersion, ModelVersion>()

function newView({ model, version, manifest, stage, problems, warnings }: InstalledVersion): ModelVersion {
  return {
    name: model,
    version,
    digest: manifest?.onnx.sha256,
    stage,
    bands: manifest ? bandIntervals(manifest.bands) : [],
    metrics: manifest?.metrics ?? [],
    createdAt: manifest?.createdAt === undefined ? undefined : new Date(manifest.createdAt),
    problems,
    warnings,
  }
}

/** What is known of a version that is neither stored nor in the models folder: a stored prediction names it. */
export function goneVersion(model: string, version: string): ModelVersion {
  return {
    name: model,
    version,
    digest: undefined,
    stage: 'RETIRED',
    bands: [],
    metrics: [],
    createdAt: undefined,
    problems: [GONE],
    warnings: [],
  }
}

const GONE = 'Neither the version store nor the models folder has this version. Put its folder back to see its bands and metrics.'

function toFeature(feature: ContractedFeature): FeatureView {
  const isNumeric = feature.kind === 'NUMBER' || feature.kind === 'INTEGER'
  return {
    name: feature.name,
    kind: feature.kind,
    required: feature.required,
    minimum: isNumeric ? feature.minimum : undefined,
    maximum: isNumeric ? feature.maximum : undefined,
    unit: isNumeric ? feature.unit : undefined,
    categories: feature.kind === 'CATEGORY' ? feature.categories : undefined,
    descriptions: feature.description,
  }
}
