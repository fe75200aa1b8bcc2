// A longer timeout would fire at once.
const MAX_TIMEOUT_MS = 2 ** 31 - 1

/** Calls back once this instant (milliseconds since 1970) has passed; answers how to call it off. Holds no process up. */
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
