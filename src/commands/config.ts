import { shownSettings } from '../config/config.js'

/** Prints the value in effect of every setting, without secrets. @throws ConfigError */
export function printSettings(): void {
  for (const [key, value] of Object.entries(shownSettings())) process.stdout.write(`${key}=${value}\n`)
}
