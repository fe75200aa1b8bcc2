// The token is in session storage, which ends with the browser tab, is not shared with other tabs and never leaves the machine.
const STORAGE_KEY = 'riskgate:token'

/** The token as the server expects it. People paste it with its scheme, with the quotes of a JSON file, or with line ends. */
export function cleanToken(text: string): string {
  const bare = text.replace(/["'\s]+/g, ' ').trim()
  return bare.replace(/^bearer /i, '')
}

/** Whether `fetch` accepts the token: a header field takes visible ASCII only. */
export function isSendable(token: string): boolean {
  return /^[\x21-\x7e]+$/.test(token)
}

export function storedToken(): string {
  return sessionStorage.getItem(STORAGE_KEY) ?? ''
}

export function storeToken(token: string): void {
  if (token) sessionStorage.setItem(STORAGE_KEY, token)
  else sessionStorage.removeItem(STORAGE_KEY)
}

/**
 * Reads `#token=…` from the URL once, and removes it, so that it stays out of bookmarks, screenshots and the history. A fragment is
 * never sent to the server. Undefined if the URL has no token.
 */
export function takeTokenFromAddress(): string | undefined {
  const fragment = new URLSearchParams(location.hash.slice(1).replaceAll('+', '%2B'))
  const token = fragment.get('token')
  if (token === null) return undefined
  history.replaceState(history.state, '', location.pathname + location.search)
  return cleanToken(token)
}
