import { isLostTypeFetch } from '../storage/postgres/postgresErrors.js'

/** Keeps a command alive when the driver loses a question of its own, which nobody waits for. Other errors end the process. */
export function outliveLostTypeFetch(): void {
  process.on('unhandledRejection', error => {
    if (!isLostTypeFetch(error)) throw error
  })
}
