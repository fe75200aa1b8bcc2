export const QUICK: readonly string[]
export const LONGEST: readonly string[]
export const DEPENDS_ON_TODAY: readonly string[]
