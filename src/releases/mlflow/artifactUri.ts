import { MlflowError } from './mlflowError.js'

const SERVED =
  'Start MLflow with --serve-artifacts, and log the version in a new experiment, so that its files are handed out by MLflow; ' +
  'or download them and use `riskgate model init FILE`.'

/** What keeps riskgate from reading a place, by the scheme of its URI. */
const REASONS: Readonly<Record<string, string>> = {
  s3: `riskgate does not read S3. ${SERVED}`,
  gs: `riskgate does not read Google Cloud Storage. ${SERVED}`,
  wasb: `riskgate does not read Azure Storage. ${SERVED}`,
  wasbs: `riskgate does not read Azure Storage. ${SERVED}`,
  abfss: `riskgate does not read Azure Storage. ${SERVED}`,
  dbfs: `riskgate does not read the file system of Databricks. ${SERVED}`,
  file: `that is a folder of the machine of MLflow, which riskgate may not share. ${SERVED}`,
  runs: 'that names a run, and MLflow did not say where its files are. Register the version again with a newer MLflow.',
  models: 'that names a logged model, and MLflow did not say where its files are. Use MLflow 3 or newer.',
}

/**
 * The folder, below the artifacts that MLflow hands out, that an artifact URI names: mlflow-artifacts:/1/models/m-…/artifacts.
 * @throws MlflowError with the reason and what to do where riskgate cannot read it
 */
export function servedFolder(uri: string): string {
  const [, scheme = '', place = ''] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(uri) ?? []
  const kind = scheme.toLowerCase()
  if (kind !== 'mlflow-artifacts') {
    const reason = REASONS[kind] ?? (scheme === '' ? REASONS.file : `riskgate does not read such addresses. ${SERVED}`)
    throw new MlflowError(
      'UNSUPPORTED',
      `The files of the version are at ${scheme === '' ? 'a path' : `${kind}:`}, and ${reason}`,
    )
  }
  const folder = /^\/(?!\/)(.+?)\/*$/.exec(place)?.[1]
  const segments = folder?.split('/') ?? []
  if (folder === undefined || segments.some(segment => segment === '' || /^\.{1,2}$|[\\\p{Cc}]/u.test(segment))) {
    throw new MlflowError(
      'UNSUPPORTED',
      'The files of the version are on another server, or at a path that leads out of its folder. riskgate reads only mlflow-artifacts:/PATH.',
    )
  }
  return folder
}
