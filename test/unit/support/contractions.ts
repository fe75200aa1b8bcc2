const NAME = '"?([\\w.]+)"?'
const ALTER_TABLE = new RegExp(`^ALTER TABLE (?:ONLY )?${NAME} `, 'i')
const CREATE_TABLE = new RegExp(`^CREATE TABLE (?:IF NOT EXISTS )?${NAME}`, 'i')
// What a later statement binds the rows of a table to.
const BINDING = new RegExp(`^CREATE (?:UNIQUE INDEX|(?:CONSTRAINT )?TRIGGER)\\b.*? ON (?:ONLY )?${NAME}`, 'i')
const REMOVING = /^(DROP|TRUNCATE)\b|^ALTER (?!TABLE\b).*\b(RENAME|DROP)\b/i
const REMOVING_ACTION =
  /^(RENAME|DROP)\b|^ALTER (COLUMN )?\S+ ((SET DATA )?TYPE|SET NOT NULL|DROP DEFAULT)\b|^ADD (CONSTRAINT|UNIQUE|CHECK|FOREIGN|PRIMARY|EXCLUDE)\b/i
const NEW_COLUMN = /^ADD (?!CONSTRAINT|UNIQUE|CHECK|FOREIGN|PRIMARY|EXCLUDE)/i

/**
 * The statements of a migration that take something from programs which know the tables from before: what they read or write may
 * be gone, or what they insert may be refused. A table that the migration itself creates is nobody's yet.
 */
export function contractions(migration: string): string[] {
  const statements = statementsOf(migration)
  const created = new Set(statements.flatMap(statement => CREATE_TABLE.exec(statement)?.[1] ?? []))
  return statements.filter(statement => isContraction(statement, created))
}

function isContraction(statement: string, created: ReadonlySet<string>): boolean {
  if (REMOVING.test(statement)) return true
  const bound = BINDING.exec(statement)?.[1]
  if (bound !== undefined) return !created.has(bound)
  const altered = ALTER_TABLE.exec(statement)
  if (!altered || created.has(altered[1] ?? '')) return false
  return actionsOf(statement.slice(altered[0].length)).some(isContractingAction)
}

function isContractingAction(action: string): boolean {
  if (REMOVING_ACTION.test(action)) return true
  return NEW_COLUMN.test(action) && /\bNOT NULL\b/i.test(action) && !/\b(DEFAULT|GENERATED)\b/i.test(action)
}

/** The actions of one ALTER TABLE, which commas outside of brackets divide. */
function actionsOf(text: string): string[] {
  let depth = 0
  const marked = [...text].map(character => {
    if (character === '(') depth++
    if (character === ')') depth--
    return character === ',' && depth === 0 ? '\n' : character
  })
  return marked
    .join('')
    .split('\n')
    .map(action => action.trim())
}

/** Without comments, and with one blank for all white space. Semicolons in texts and in bodies of functions divide nothing. */
function statementsOf(migration: string): string[] {
  const pieces = migration.match(/--.*|'(?:[^']|'')*'|\$\$[\s\S]*?\$\$|;|[^-';$]+|[-$]/g) ?? []
  return pieces
    .filter(piece => !piece.startsWith('--'))
    .map(piece => (piece === ';' ? '\0' : piece))
    .join('')
    .split('\0')
    .map(statement => statement.replace(/\s+/g, ' ').trim())
    .filter(statement => statement !== '')
}
