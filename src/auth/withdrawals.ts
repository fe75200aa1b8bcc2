/** Which streams live on which credential: whoever withdraws one ends them. */
export class Withdrawals {
  readonly #watchers = new Map<string, Set<() => void>>()

  /** Calls back once the credential is withdrawn; answers how to call that off. */
  watch(credential: string, withdrawn: () => void): () => void {
    const watchers = this.#watchers.get(credential) ?? new Set()
    this.#watchers.set(credential, watchers)
    watchers.add(withdrawn)
    return () => {
      watchers.delete(withdrawn)
      if (watchers.size === 0 && this.#watchers.get(credential) === watchers) this.#watchers.delete(credential)
    }
  }

  withdraw(credential: string): void {
    const watchers = this.#watchers.get(credential)
    this.#watchers.delete(credential)
    for (const withdrawn of watchers ?? []) withdrawn()
  }
}
