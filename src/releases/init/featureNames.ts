// As contracts take them.
const LONGEST = 63

/** The name of a feature in the API: LIMIT_BAL, "Limit bal" and limit-bal become limitBal. */
export function featureName(column: string): string {
  const plain = column.normalize('NFKD').replace(/\p{M}/gu, '')
  const words = plain
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .split(/[^A-Za-z0-9]+/)
    .filter(word => word !== '')
  const name = words.map((word, i) => (i === 0 ? word.toLowerCase() : capitalised(word))).join('')
  // Names of GraphQL begin with a letter.
  return /^[a-z]/.test(name) ? name.slice(0, LONGEST) : `f${name}`.slice(0, LONGEST)
}

/** The name of a model: "Credit_v2" becomes credit-v2. */
export function modelName(text: string): string {
  return featureName(text).replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}

/** Different names for columns, in their order. */
export function featureNames(columns: readonly string[]): Map<string, string> {
  const names = new Map<string, string>()
  const taken = new Set<string>()
  for (const column of columns) {
    const wanted = featureName(column)
    let name = wanted
    for (let i = 2; taken.has(name) || name in Object.prototype; i++) name = `${wanted.slice(0, LONGEST - String(i).length)}${i}`
    taken.add(name)
    names.set(column, name)
  }
  return names
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1).toLowerCase()
}
