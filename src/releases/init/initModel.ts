import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { contractSchema } from '../../scoring/contract.js'
import { externalFileNames, inlineExternalData } from '../../scoring/onnx/externalData.js'
import { OnnxModel } from '../../scoring/onnx/onnxModel.js'
import { saidBy } from '../../scoring/onnx/runtimeSentence.js'
import { unusedNames } from '../../scoring/unusedFeatures.js'
import { readJson } from '../files/readFiles.js'
import { bestReading } from './bestReading.js'
import { featureName } from './featureNames.js'
import { outcomeColumn, withOutcomes } from './outcomes.js'
import { refuseOtherNames } from './placeNames.js'
import type { GivenCodes, Proposal } from './proposal.js'
import { refuseOtherCodes } from './refuseOtherCodes.js'
import { readSample } from './sampleRows.js'
import { textsCountedAsMissing } from './writtenTexts.js'

// No other order gives the same probabilities.
const CONFIRMED = 1e-5
const BANDS = { cutoffs: [0.03, 0.06, 0.1, 0.15, 0.22, 0.35, 0.6], highRiskFrom: 'T7' }

export interface InitOptions {
  /** The ONNX file. */
  readonly file: string
  /** A CSV file with a header, or a golden.jsonl: inputs with the probability that the model's own library gave. */
  readonly rowsFile: string
  /** The column of the CSV file that holds the probabilities; without it a usual name is looked for. */
  readonly probabilityColumn?: string | undefined
  /** Columns of the rows file that the model does not take. */
  readonly drop: readonly string[]
  /** The order of the categories of columns that the graph takes as numbers. */
  readonly codes: GivenCodes
  /** The columns that the graph takes, in its order; without it those of the rows file. */
  readonly columns?: readonly string[] | undefined
  /** The models folder. */
  readonly directory: string
  readonly name: string
  readonly version: string
}

export interface Initialised {
  readonly modelDirectory: string
  readonly features: number
  readonly goldenRows: number
  readonly output: { readonly name: string; readonly column: number }
  /** The largest difference between the graph and the rows. */
  readonly deviation: number
  /** The column of a CSV file whose probabilities the rows have. */
  readonly probabilityColumn?: string
  /** Columns of categories whose order was guessed, where the answers do not confirm the guess. */
  readonly guessed: readonly string[]
  /** Columns of categories with texts such as "none" that count as missing, with these texts. */
  readonly countedAsMissing: readonly string[]
  /** False: the model was there before, and keeps its contract and its champion. */
  readonly isNewModel: boolean
}

/**
 * Writes the folder of a model version from its ONNX file and rows with probabilities: contract (for a new model), manifest and golden
 * rows. The rows tell which output and column is the probability of default.
 * @throws Error with a sentence where they do not fit together, or the version exists already
 */
export async function initModel(options: InitOptions): Promise<Initialised> {
  const { directory, name, version } = options
  refuseOtherNames(name, version)
  const modelDirectory = join(directory, name)
  const versionDirectory = join(modelDirectory, version)
  if (existsSync(versionDirectory))
    throw new Error(`${versionDirectory} exists already. Choose another version with --model-version.`)
  const graphFile = await readGraphFile(options.file)
  const given = await readRows(options)
  const graph = await OnnxModel.formOf(graphFile.whole).catch(error => {
    throw new Error(`${options.file} cannot be loaded: ${saidBy(error)}.`)
  })
  const outcome = options.columns === undefined ? outcomeColumn(given, graph) : undefined
  const rows = outcome === undefined ? given : withOutcomes(given, outcome)
  refuseOtherCodes(options.codes, rows)
  const { sample, proposal, goldenRows, found } = await bestReading(graphFile.whole, graph, rows, options.codes)
  const { onnx, deviation } = found
  const golden = goldenRows.map(({ cells, probability, defaulted }) => ({
    features: proposal.featuresOf({ cells }),
    probability,
    defaulted,
  }))
  const isNewModel = !existsSync(join(modelDirectory, 'contract.json'))
  await arrive(isNewModel ? modelDirectory : versionDirectory, async folder => {
    const place = isNewModel ? join(folder, version) : folder
    if (isNewModel) {
      await mkdir(place)
      await writeJson(join(folder, 'contract.json'), contractOf(name, proposal))
      await writeFile(join(folder, 'champion'), `${version}\n`)
    }
    // The model may take more than this version, or the graph may leave the first of its categories out.
    const { value: contract } = await readContract(isNewModel ? folder : modelDirectory)
    const unused = contract ? unusedNames(onnx, contract) : []
    const manifest = {
      model: name,
      version,
      createdAt: new Date().toISOString(),
      onnx: { ...graphFile.files, ...onnx },
      ...(unused.length > 0 && { unused }),
      bands: BANDS,
    }
    await writeJson(join(place, 'manifest.json'), manifest)
    await writeFile(join(place, 'golden.jsonl'), golden.map(row => `${JSON.stringify(row)}\n`).join(''))
    await writeFile(join(place, graphFile.files.file), graphFile.bytes)
    for (const [file, bytes] of graphFile.external) await writeFile(join(place, file), bytes)
  })
  return {
    modelDirectory,
    features: proposal.features.length,
    goldenRows: golden.length,
    output: onnx.output,
    deviation,
    ...(sample.probabilityColumn !== undefined && { probabilityColumn: sample.probabilityColumn }),
    guessed: deviation <= CONFIRMED ? [] : proposal.guessed,
    countedAsMissing: textsCountedAsMissing(sample, proposal),
    isNewModel,
  }
}

/** Makes a folder that appears with all its files at once: a gateway may be watching. Names with a leading dot are passed over. */
async function arrive(folder: string, fill: (arriving: string) => Promise<void>): Promise<void> {
  const arriving = join(dirname(folder), `.${basename(folder)}.arriving-${process.pid}`)
  await mkdir(arriving, { recursive: true })
  try {
    await fill(arriving)
    await rename(arriving, folder).catch(error => {
      throw new Error(`${folder} cannot be made (${error.code}). Remove what is there, or choose another name.`)
    })
  } finally {
    await rm(arriving, { recursive: true, force: true })
  }
}

async function readContract(modelDirectory: string) {
  const read = await readJson(join(modelDirectory, 'contract.json'), 'contract.json', contractSchema)
  return 'value' in read ? read : { value: undefined }
}

/** The graph with the files beside it that hold its large tensors. */
async function readGraphFile(file: string) {
  const bytes = await readFile(file).catch(() => {
    throw new Error(`${file} cannot be read.`)
  })
  try {
    const external = new Map<string, Buffer>()
    for (const name of externalFileNames(bytes)) {
      // Another folder is not part of the version.
      if (name !== basename(name)) throw new Error(`its tensors are in ${name}, outside of its folder`)
      external.set(name, await readFile(join(dirname(file), name)))
    }
    const files = {
      file: 'model.onnx',
      sha256: digestOf(bytes),
      ...(external.size > 0 && { external: [...external].map(([file, bytes]) => ({ file, sha256: digestOf(bytes) })) }),
    }
    return { bytes, external, files, whole: inlineExternalData(bytes, external) }
  } catch (error) {
    throw new Error(`${file} cannot be loaded: ${saidBy(error)}.`)
  }
}

async function readRows({ rowsFile, probabilityColumn, drop, columns }: InitOptions) {
  const text = await readFile(rowsFile, 'utf8').catch(() => {
    throw new Error(`${rowsFile} cannot be read.`)
  })
  const sample = readSample(text, /\.(jsonl|ndjson|json)$/i.test(rowsFile), probabilityColumn)
  const unknown = drop.find(name => !sample.columns.includes(name))
  if (unknown !== undefined) throw new Error(`--drop ${unknown}: the rows file has no such column.`)
  const kept = sample.columns.filter(name => !drop.includes(name))
  return { ...sample, columns: columns?.map(name => columnNamed(name, kept)) ?? kept }
}

/** A rows file may hold the names of the training, or those of the API. */
function columnNamed(name: string, columns: readonly string[]): string {
  const column = columns.find(other => other === name) ?? columns.find(other => featureName(other) === featureName(name))
  if (column === undefined) throw new Error(`The model takes the column ${name}, and the rows file does not have it.`)
  return column
}

function contractOf(name: string, { features }: Proposal): object {
  return { name, inputField: featureName(name), features }
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function writeJson(file: string, value: object): Promise<void> {
  await writeFile(file, `${JSON.stringify(value, null, 2)}\n`)
}
