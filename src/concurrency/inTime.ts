/** The answer of some work, or a rejection with `late()` once it has taken too long. The work itself goes on. */
export async function inTime<T>(work: Promise<T>, longestMs: number, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), longestMs)
  })
  try {
    return await Promise.race([work, deadline])
  } finally {
    clearTimeout(timer)
  }
}
