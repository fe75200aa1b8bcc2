// Longer than the time from a request's authentication until its stream is watched.
const REMEMBERED_MS = 60_000

/** Which open streams use which credential. Withdrawing a credential ends its streams. */
export class Withdrawals {
  readonly #watchers = new Map<string, Set<() => void>>()
  /** When each credential was withdrawn, the oldest first: for streams that were let in just before. */
  readonly #withdrawn = new Map<string, number>()

  /** Calls back when the credential is withdrawn, or soon if it just was. Returns a function that cancels this. */
  watch(credential: string, withdrawn: () => void): () => void {
    const watchers = this.#watchers.get(credential) ?? new Set()
    this.#watchers.set(credential, watchers)
    watchers.add(withdrawn)
    if (this.#withdrawn.has(credential)) {
      queueMicrotask(() => {
        if (watchers.has(withdrawn) && this.#withdrawn.has(credential)) withdrawn()
      })
    }
    return () => {
      watchers.delete(withdrawn)
      if (watchers.size === 0 && this.#watchers.get(credential) === watchers) this.#watchers.delete(credential)
    }
  }

  /** The credentials of open streams. */
  watched(): string[] {
    return [...this.#watchers.keys()]
  }

  withdraw(credential: string): void {
    const now = performance.now()
    for (const [earlier, at] of this.#withdrawn) {
      if (now - at < REMEMBERED_MS) break
      this.#withdrawn.delete(earlier)
    }
    this.#withdrawn.delete(credential)
    this.#withdrawn.set(credential, now)
    const watchers = this.#watchers.get(credential)
    this.#watchers.delete(credential)
    for (const withdrawn of watchers ?? []) withdrawn()
  }

  /** Makes a credential valid again: the issuer has published its key once more. */
  reinstate(credential: string): void {
    this.#withdrawn.delete(credential)
  }
}
