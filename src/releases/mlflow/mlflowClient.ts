import {
  downloadUriAnswer,
  emptyAnswer,
  type ListedFile,
  listingAnswer,
  type RegisteredModel,
  type RegistryVersion,
  registeredModelAnswer,
  registeredModelsAnswer,
  versionAnswer,
  versionsAnswer,
} from './answers.js'
import { MlflowError } from './mlflowError.js'
import type { MlflowHttp, Parameters } from './mlflowHttp.js'
import type { ModelUri } from './modelUri.js'

const API = '/api/2.0/mlflow'
const ARTIFACTS = '/api/2.0/mlflow-artifacts/artifacts'
const PAGE_SIZE = '100'
// A server that gives out pages for ever ends here.
const MOST_PAGES = 100

/** What riskgate asks of an MLflow registry. Every method throws MlflowError. */
export class MlflowClient {
  readonly #http: MlflowHttp

  constructor(http: MlflowHttp) {
    this.#http = http
  }

  get url(): URL {
    return this.#http.url
  }

  /** The version that a URI names, which may be unfinished. */
  version(uri: ModelUri): Promise<RegistryVersion> {
    return 'alias' in uri ? this.#versionOfAlias(uri.name, uri.alias) : this.#versionOfNumber(uri.name, uri.version)
  }

  /** All versions of a model, the newest first. MLflow leaves their aliases out: ask for an alias by `version`. */
  async versions(name: string): Promise<RegistryVersion[]> {
    const filter = `name=${quoted(name)}`
    return this.#pages(async page => {
      const answer = await this.#http.get(
        `${API}/model-versions/search`,
        { filter, max_results: PAGE_SIZE, ...page },
        versionsAnswer,
      )
      return { entries: answer.model_versions, next: answer.next_page_token }
    })
  }

  async registeredModel(name: string): Promise<RegisteredModel> {
    const answer = await this.#found(`the model ${name}`, () =>
      this.#http.get(`${API}/registered-models/get`, { name }, registeredModelAnswer),
    )
    return answer.registered_model
  }

  async registeredModels(): Promise<RegisteredModel[]> {
    return this.#pages(async page => {
      const answer = await this.#http.get(
        `${API}/registered-models/search`,
        { max_results: PAGE_SIZE, ...page },
        registeredModelsAnswer,
      )
      return { entries: answer.registered_models, next: answer.next_page_token }
    })
  }

  /** Where the files of a version are. The source of a version may only name a logged model, models:/m-… */
  async downloadUri({ name, version }: { name: string; version: string }): Promise<string> {
    const answer = await this.#http.get(`${API}/model-versions/get-download-uri`, { name, version }, downloadUriAnswer)
    return answer.artifact_uri
  }

  async setTag({ name, version }: { name: string; version: string }, key: string, value: string): Promise<void> {
    await this.#http.post(`${API}/model-versions/set-tag`, { name, version, key, value }, emptyAnswer)
  }

  /** What is in a folder of the artifacts that MLflow hands out; the paths are names in it. */
  async listArtifacts(folder: string): Promise<ListedFile[]> {
    const { files } = await this.#http.get(ARTIFACTS, { path: folder }, listingAnswer)
    return files
  }

  downloadArtifact(path: string, end: AbortSignal): AsyncGenerator<Uint8Array> {
    return this.#http.download(`${ARTIFACTS}/${path.split('/').map(encodeURIComponent).join('/')}`, end)
  }

  async #versionOfAlias(name: string, alias: string): Promise<RegistryVersion> {
    try {
      const { model_version } = await this.#found(`the model ${name}`, () =>
        this.#http.get(`${API}/registered-models/alias`, { name, alias }, versionAnswer),
      )
      return model_version
    } catch (error) {
      // MLflow answers 400 INVALID_PARAMETER_VALUE where the model has no such alias.
      if (!(error instanceof MlflowError) || !/alias .* not found/i.test(error.message)) throw error
      throw new MlflowError('NOT_FOUND', `The model ${name} has no alias ${alias} in MLflow. Give a version this alias there.`)
    }
  }

  async #versionOfNumber(name: string, version: string): Promise<RegistryVersion> {
    const { model_version } = await this.#found(`version ${version} of the model ${name}`, () =>
      this.#http.get(`${API}/model-versions/get`, { name, version }, versionAnswer),
    )
    return model_version
  }

  /** Says what it is that MLflow does not have. */
  async #found<Answer>(what: string, ask: () => Promise<Answer>): Promise<Answer> {
    try {
      return await ask()
    } catch (error) {
      const isMissing = error instanceof MlflowError && error.code === 'NOT_FOUND' && /not found/i.test(error.message)
      throw isMissing ? new MlflowError('NOT_FOUND', `MLflow does not have ${what}.`) : error
    }
  }

  async #pages<Entry>(
    ask: (page: Parameters) => Promise<{ entries: readonly Entry[]; next: string | undefined }>,
  ): Promise<Entry[]> {
    const all: Entry[] = []
    let page: Parameters = {}
    for (let asked = 0; asked < MOST_PAGES; asked++) {
      const { entries, next } = await ask(page)
      all.push(...entries)
      if (!next) return all
      page = { page_token: next }
    }
    throw new MlflowError('TOO_LARGE', `The registry has more than ${MOST_PAGES} pages of ${PAGE_SIZE} entries.`)
  }
}

/** A name in a filter of MLflow, which knows no way to escape a quotation mark. */
function quoted(name: string): string {
  if (!name.includes("'")) return `'${name}'`
  if (!name.includes('"')) return `"${name}"`
  throw new MlflowError('UNSUPPORTED', 'A model whose name has both kinds of quotation marks cannot be searched for.')
}
