const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/

/** Whether only this machine can reach the host. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host)
}
