import { AppError } from '../errors.js'

export function unauthenticated(message: string): AppError {
  return new AppError('UNAUTHENTICATED', message)
}
