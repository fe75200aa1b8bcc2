/** A version of a registered model: by its number, or by an alias that MLflow resolves. */
export type ModelUri = { readonly name: string } & ({ readonly alias: string } | { readonly version: string })

/** Reads models:/NAME@ALIAS or models:/NAME/VERSION. @throws Error with the form */
export function parseModelUri(text: string): ModelUri {
  // The characters that MLflow forbids in names are / and :
  const [, name, alias, version] = /^models:\/([^/:@\p{Cc}]+)(?:@([^/:@\p{Cc}]+)|\/(\d{1,18}))$/u.exec(text) ?? []
  if (name !== undefined && alias !== undefined) return { name, alias }
  if (name !== undefined && version !== undefined) return { name, version: String(BigInt(version)) }
  throw new Error('Name a version as models:/NAME@ALIAS or models:/NAME/VERSION, such as models:/consumer-credit@champion.')
}

export function textOf(uri: ModelUri): string {
  return 'alias' in uri ? `models:/${uri.name}@${uri.alias}` : `models:/${uri.name}/${uri.version}`
}
