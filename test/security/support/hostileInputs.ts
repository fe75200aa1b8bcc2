import { HIGH_RISK } from '../../support/applicants.js'

/** An input whose JSON a client wrote by hand, and the way it must be refused. */
export interface HostileInput {
  readonly name: string
  /** The input object as JSON text, which may hold texts that JSON.stringify never writes. */
  readonly json: string
  /** `row`: only this application is refused, with a problem at `path`. `document`: the whole request is, for a wrong JSON type. */
  readonly refuses: 'row' | 'document'
  readonly path?: string
}

type Refuses = HostileInput['refuses']

const NUMBERS = ['seniority', 'time', 'expenses', 'income', 'assets', 'debt', 'amount', 'price']
const CATEGORIES = ['home', 'job']
const KEY = 'features.consumerCredit'

/** Texts that hold the canary and characters that can break a parser, a terminal, a log, a page or a database. */
export function hostileTexts(canary: string): Readonly<Record<string, string>> {
  return {
    'the canary alone': canary,
    'a NUL': `${canary}\u0000`,
    'a line break and a forged log line': `${canary}\n{"log.level":"error","message":"forged"}`,
    'a carriage return and a header': `${canary}\r\nSet-Cookie: a=b`,
    'an escape sequence of a terminal': `\u001b[2J\u001b]0;${canary}\u0007`,
    'half a surrogate pair': `${canary}\ud800`,
    'the other half': `\udc00${canary}`,
    'a direction override': `\u202e${canary}`,
    'a character of no width': `${canary.slice(0, 3)}\u200b${canary.slice(3)}`,
    'a byte order mark': `\ufeff${canary}`,
    'a line separator of JavaScript': `${canary}\u2028`,
    'a noncharacter': `${canary}\uffff`,
    'a private character': `${canary}\ue000`,
    'a tag character': `${canary}\u{e0041}`,
    '4 KiB': canary.repeat(Math.ceil(4_096 / canary.length)),
    '800 KiB': canary.repeat(Math.ceil(819_200 / canary.length)),
  }
}

/** Printable texts, in their canonical form, which must be accepted as references and stored unchanged. */
export function printableTexts(canary: string): readonly string[] {
  return [
    `'; DROP TABLE predictions; -- ${canary}`,
    `" OR ""="${canary}`,
    `$1; select pg_sleep(9); -- ${canary}`,
    `<script>alert("${canary}")</script>`,
    `<img src=x onerror=alert(1)>${canary}`,
    `\${jndi:ldap://${canary}.example/a}`,
    `{{7*7}}${canary}`,
    `%00%0d%0a${canary}`,
    `\\u0000\\n${canary}`,
    `../../../etc/passwd?${canary}`,
    `=HYPERLINK("https://${canary}.example")`,
    `__proto__ ${canary}`,
    `constructor.prototype ${canary}`,
    `שלום ${canary}`,
    `\u00e9 ${canary}`,
    `🏦👩🏽‍💼 ${canary}`.replace('\u200d', ''),
  ]
}

/** Applications to score, each with one mistake. `key` is used as an unknown name. */
export function hostileApplications(canary: string, key = canary): HostileInput[] {
  const application = (changes: string, features = JSON.stringify(HIGH_RISK)) =>
    `{"applicantId":"${canary}-a","idempotencyKey":"${canary}-k","channel":"${canary}",${changes}"features":{"consumerCredit":${features}}}`
  const feature = (name: string, value: string, what: string, refuses: Refuses): HostileInput => ({
    name: `${what} for ${name}`,
    // The last of two equal keys counts.
    json: application('', `${JSON.stringify(HIGH_RISK).slice(0, -1)},${JSON.stringify(name)}:${value}}`),
    refuses,
    ...(refuses === 'row' && { path: `${KEY}.${name}` }),
  })
  const field = (name: string, value: string, what: string, refuses: Refuses): HostileInput => ({
    name: `${what} for ${name}`,
    json: application(`${JSON.stringify(name)}:${value},`),
    refuses,
    ...(refuses === 'row' && { path: name }),
  })
  const texts = Object.entries(hostileTexts(canary)).map(([what, text]) => [what, JSON.stringify(text)] as const)
  const structures: (readonly [string, string])[] = [
    ['a list', `["${canary}"]`],
    ['a list of lists', `[[["${canary}"]]]`],
    ['an object', `{"${key}":"${canary}"}`],
    ['an object that claims to be a text', `{"toString":"${canary}","length":1}`],
    ['10,000 lists', `${'['.repeat(10_000)}"${canary}"${']'.repeat(10_000)}`],
    ['10,000 objects', `${'{"a":'.repeat(10_000)}"${canary}"${'}'.repeat(10_000)}`],
  ]
  const numbers: (readonly [string, string, Refuses])[] = [
    ['1e400', '1e400', 'document'],
    ['-1e400', '-1e400', 'document'],
    ['1e39', '1e39', 'row'],
    ['-1e39', '-1e39', 'row'],
    ['thirty digits', '123456789012345678901234567890', 'row'],
    ['the largest number', '1.7976931348623157e308', 'row'],
    ['minus one', '-1', 'row'],
    ['a tiny negative number', '-5e-324', 'row'],
    ['the text NaN', '"NaN"', 'document'],
    ['the text Infinity', '"-Infinity"', 'document'],
    ['a number as a text', '"5"', 'document'],
    ['a hexadecimal text', '"0x5"', 'document'],
    ['a Boolean', 'true', 'document'],
    ...structures.map(([what, value]) => [what, value, 'document'] as const),
    ...texts.map(([what, value]) => [what, value, 'document'] as const),
  ]
  const words: (readonly [string, string, Refuses])[] = [
    ['a number', '5', 'document'],
    ['a Boolean', 'false', 'document'],
    ...structures.map(([what, value]) => [what, value, 'document'] as const),
    ...texts.map(([what, value]) => [what, value, 'row'] as const),
    ...[
      'Owner',
      'FIXED',
      'ｏｗｎｅｒ',
      'оwner',
      'owner\u0301',
      'own\u00ader',
      ' owner',
      'owner\u00a0',
      'toString',
      '__proto__',
      '',
    ].map(text => [`the category ${JSON.stringify(text)}`, JSON.stringify(text), 'row'] as const),
  ]
  const booleans: (readonly [string, string, Refuses])[] = [
    ['the text true', '"true"', 'document'],
    ['1', '1', 'document'],
    ...structures.map(([what, value]) => [what, value, 'document'] as const),
    ...texts.slice(0, 3).map(([what, value]) => [what, value, 'document'] as const),
  ]
  const references = texts.filter(([what]) => what !== 'the canary alone')
  return [
    ...NUMBERS.flatMap(name => numbers.map(([what, value, refuses]) => feature(name, value, what, refuses))),
    ...CATEGORIES.flatMap(name => words.map(([what, value, refuses]) => feature(name, value, what, refuses))),
    ...booleans.map(([what, value, refuses]) => feature('records', value, what, refuses)),
    ...['applicantId', 'channel', 'idempotencyKey'].flatMap(name => [
      ...references.map(([what, value]) => field(name, value, what, 'row')),
      ...structures.map(([what, value]) => field(name, value, what, 'document')),
      field(name, '""', 'an empty text', 'row'),
      field(name, 'false', 'a Boolean', 'document'),
      field(name, '1.5', 'a fraction', 'document'),
    ]),
    field('applicantId', '"   "', 'spaces', 'row'),
    field('applicantId', `"erased:${canary}"`, 'the form of an erased reference', 'row'),
    field('idempotencyKey', `"${canary} é"`, 'letters beyond ASCII', 'row'),
    ...['toString', 'hasOwnProperty', 'valueOf', key].flatMap(name => [
      feature(name, '1', 'a value', 'document'),
      field(name, '1', 'a value', 'document'),
    ]),
    { name: 'no features', json: application('', '{}'), refuses: 'row', path: `${KEY}.seniority` },
  ]
}

/** Outcomes to record, each with one mistake; `id` is the id of a stored prediction. */
export function hostileOutcomes(canary: string, id: string, key = canary): HostileInput[] {
  const outcome = (changes: string) =>
    `{"predictionId":"${id}","defaulted":true,"observedAt":${JSON.stringify(new Date().toISOString())},${changes}}`
  const row = (name: string, path: string, value: string): HostileInput => ({
    name,
    json: outcome(`"${path}":${value}`),
    refuses: 'row',
    path,
  })
  const document = (name: string, changes: string): HostileInput => ({ name, json: outcome(changes), refuses: 'document' })
  return [
    ...Object.entries(hostileTexts(canary)).map(([what, text]) =>
      row(`${what} for the id`, 'predictionId', JSON.stringify(text)),
    ),
    ...printableTexts(canary).map(text => row(`the id ${text}`, 'predictionId', JSON.stringify(text))),
    row('an id in braces', 'predictionId', `"{${id}}"`),
    row('an id without its hyphens', 'predictionId', `"${id.replaceAll('-', '')}"`),
    row('a number as id', 'predictionId', '123456789012345'),
    row('a time before all predictions', 'observedAt', '"0000-01-01T00:00:00Z"'),
    row('a time after all others', 'observedAt', '"9999-12-31T23:59:59.999Z"'),
    document('a fraction as id', '"predictionId":1e-7'),
    document('a list as id', `"predictionId":["${id}"]`),
    document('an object as id', `"predictionId":{"${key}":"${canary}"}`),
    ...[
      '"NaN"',
      '1e400',
      '1700000000000',
      `"${canary}"`,
      '"2026-02-30T00:00:00Z"',
      '"2026-13-01T00:00:00Z"',
      '"+275760-09-13T00:00:00.001Z"',
      '"2026-01-01T00:00:00"',
      '"2026-01-01"',
      '"2026-01-01T00:00:00Z\\u0000"',
      '"2026-01-01T00:00:00Z\\n"',
      '"２０２６-01-01T00:00:00Z"',
      '[]',
      '{}',
      'null',
    ].map(value => document(`the time ${value}`, `"observedAt":${value}`)),
    ...['"true"', '1', '0', 'null', '[]', `"${canary}"`].map(value => document(`defaulted: ${value}`, `"defaulted":${value}`)),
    document('an unknown field', `"${key}":"${canary}"`),
    document('a field of Object.prototype', '"toString":"x"'),
  ]
}
