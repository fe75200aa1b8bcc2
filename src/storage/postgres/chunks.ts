/** Repeats a statement until it finds fewer rows than a chunk has, or the signal ends it; answers how many it found in all. */
export async function inChunks(chunkRows: number, statement: () => Promise<number>, signal?: AbortSignal): Promise<number> {
  let all = 0
  while (!signal?.aborted) {
    const found = await statement()
    all += found
    if (found < chunkRows) break
  }
  return all
}
