// A longer timeout would fire at once.
const MAX_TIMEOUT_MS = 2 ** 31 - 1

/** Calls back once this instant (ms since 1970) has passed. Returns a function that cancels it. Keeps no process alive. */
export function onExpiry(instant: number, expired: () => void): () => void {
  let timer: NodeJS.Timeout
  const wait = () => {
    timer = setTimeout(
      () => (Date.now() >= instant ? expired() : wait()),
      Math.min(Math.max(instant - Date.now(), 0), MAX_TIMEOUT_MS),
    ).unref()
  }
  wait()
  return () => clearTimeout(timer)
}
