/** Worker threads of this process that have not ended, by the handles that keep the event loop alive. */
export function liveThreads(): number {
  return process.getActiveResourcesInfo().filter(name => name === 'MessagePort').length
}
