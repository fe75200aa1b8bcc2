import type { ValidationRule } from 'graphql'
import { documentLimits } from './documentLimits.js'
import { oneOfVariables } from './oneOfVariables.js'
import { storableTexts } from './storableTexts.js'

// Rules for every document, whether it comes over HTTP or WebSocket.

/** A client's longest reasonable document has a few hundred tokens. */
export const MAX_TOKENS = 1_000

/** The rules beside graphql-js's `specifiedRules`. */
export const ADDED_RULES: readonly ValidationRule[] = [documentLimits, oneOfVariables, storableTexts]

/** A client fixes one mistake at a time; 1,000 tokens could hold a hundred mistakes. */
export const VALIDATION_OPTIONS = { maxErrors: 20, hideSuggestions: true }

export const NO_SUCH_OPERATION = 'operationName must name one of the operations of the document.'
