const CHECK_WIDTH = 20

/** What one check found. A problem keeps the gateway from working as promised; a warning will, or may. */
export interface Finding {
  readonly check: string
  readonly state: 'ok' | 'warning' | 'problem'
  /** What was seen and, unless all is well, what to do. */
  readonly says: string
}

export function ok(check: string, says: string): Finding {
  return { check, state: 'ok', says }
}

export function warning(check: string, says: string): Finding {
  return { check, state: 'warning', says }
}

export function problem(check: string, says: string): Finding {
  return { check, state: 'problem', says }
}

/** Prints a finding as a line. */
export function print({ check, state, says }: Finding): void {
  const label = state === 'ok' ? 'ok' : state.toUpperCase()
  process.stdout.write(`${label.padEnd(8)} ${check.padEnd(CHECK_WIDTH)} ${says}\n`)
}
