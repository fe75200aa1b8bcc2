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
