import type { ValidationRule } from 'graphql'
import { documentLimits } from './documentLimits.js'
import { oneOfVariables } from './oneOfVariables.js'

// What holds for every document, whether it comes by HTTP or over WebSocket.

/** A client's longest reasonable document has a few hundred. */
export const MAX_TOKENS = 1_000

/** Those beside graphql-js's `specifiedRules`. */
export const ADDED_RULES: readonly ValidationRule[] = [documentLimits, oneOfVariables]

/** A client mends one mistake at a time; 1,000 tokens could ask for an answer of a hundred. */
export const VALIDATION_OPTIONS = { maxErrors: 20, hideSuggestions: true }

export const NO_SUCH_OPERATION = 'operationName must name one of the operations of the document.'
