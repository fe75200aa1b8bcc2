/** Where Redis is, and how to sign in. */
export interface RedisAddress {
  /** `server`: one address, of a server or of a cluster, which the connection finds out. */
  readonly kind: 'server' | 'cluster' | 'sentinel'
  /** Seeds of the cluster, or the Sentinels; one for a server. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[]
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** Always 0 in a cluster, which has no other. */
  readonly database: number
  /** What the Sentinels call the master. */
  readonly masterName?: string | undefined
  readonly sentinelUsername?: string | undefined
  readonly sentinelPassword?: string | undefined
  /** Absent: not encrypted. Without `ca`, the authorities that Node knows count. */
  readonly tls?: { readonly ca?: string | undefined } | undefined
}
