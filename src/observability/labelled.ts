/** What is counted for each combination of label values, for hot paths: a look-up in a map for each label, and no text is joined. */
export class Labelled<Counted> {
  readonly #create: () => Counted
  readonly #byValue = new Map<string, Labelled<Counted>>()
  #counted: Counted | undefined

  constructor(create: () => Counted) {
    this.#create = create
  }

  /** What is counted for these label values, in the order of the label names. It is shown from now on, also while it is zero. */
  of(...values: readonly string[]): Counted {
    let found: Labelled<Counted> = this
    for (const value of values) found = found.#below(value)
    found.#counted ??= this.#create()
    return found.#counted
  }

  /** Everything that is counted, with its label values. */
  *all(values: readonly string[] = []): Generator<readonly [readonly string[], Counted]> {
    if (this.#counted !== undefined) yield [values, this.#counted]
    for (const [value, below] of this.#byValue) yield* below.all([...values, value])
  }

  #below(value: string): Labelled<Counted> {
    const known = this.#byValue.get(value)
    if (known) return known
    const below = new Labelled(this.#create)
    this.#byValue.set(value, below)
    return below
  }
}

/** The labels of some values. */
export function labelsOf(names: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? '']))
}
