// Enough for all the clients behind one proxy to reconnect after a restart, and still a small part of the memory.
const MAX_OF_NETWORK = 1_000
const MAX = 4_000

interface Pending {
  readonly network: string
  readonly cut: () => void
}

/**
 * Sockets whose clients have not authenticated yet. At a bound the oldest is cut for the newest. So a client that authenticates
 * at once gets in during a flood of silent sockets, even one from its own address.
 */
export class PendingSockets {
  readonly #all = new Set<Pending>()
  readonly #byNetwork = new Map<string, Set<Pending>>()

  get size(): number {
    return this.#all.size
  }

  /** Returns a function that removes the socket, for when its client is known or gone; it may be called twice. */
  add(network: string, cut: () => void): () => void {
    const pending = { network, cut }
    const neighbours = this.#byNetwork.get(network) ?? new Set()
    if (neighbours.size >= MAX_OF_NETWORK) this.#cutOldest(neighbours)
    if (this.#all.size >= MAX) this.#cutOldest(this.#all)
    // Set only after the cuts, which may remove the last socket of this network, and with it this entry.
    this.#byNetwork.set(network, neighbours)
    neighbours.add(pending)
    this.#all.add(pending)
    return () => this.#remove(pending)
  }

  #cutOldest(of: ReadonlySet<Pending>): void {
    const [oldest] = of
    if (!oldest) return
    this.#remove(oldest)
    oldest.cut()
  }

  #remove(pending: Pending): void {
    this.#all.delete(pending)
    const neighbours = this.#byNetwork.get(pending.network)
    neighbours?.delete(pending)
    if (neighbours?.size === 0) this.#byNetwork.delete(pending.network)
  }
}
