/** Who a token belongs to, according to the gateway. */
export interface Viewer {
  id: string
  tenant: string
  roles: string[]
}

export type Caller =
  | { state: 'none' }
  | { state: 'asking' }
  | { state: 'known'; viewer: Viewer }
  | { state: 'refused'; sentence: string }
