import { AppError } from '../errors.js'

const TRIES = 5

/** Repeats a read that the database had no time for. It has just answered others: one slow answer must not end a start. */
export async function patiently<T>(read: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await read()
    } catch (error) {
      const isSlow = error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE'
      if (!isSlow || attempt === TRIES) throw error
    }
  }
}
