// The cost tables of the cloud pages: each amount is what its arithmetic says, and each sum is that of its table.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'

for (const page of ['aws', 'gke', 'aks']) {
  describe(`the costs on docs/operations/${page}.md`, () => {
    const [, section] = readFileSync(`docs/operations/${page}.md`, 'utf8').split('## Cost a month')
    const tables = section.split(/\n\n/).filter(text => text.includes('| arithmetic |'))

    it('stand for a small and a middle installation', () => {
      assert.deepEqual(
        tables.map(table => /^\| (\w+) \|/.exec(table)[1]),
        ['small', 'middle'],
      )
    })

    for (const table of tables)
      it(`add up: ${/^\| (\w+) \|/.exec(table)[1]}`, () => {
        const rows = table.split('\n').slice(2).map(cellsOf)
        const [sum] = rows.pop()[2].match(/[\d,.]+/)
        for (const [what, arithmetic, amount] of rows) assert.equal(cents(amountOf(arithmetic)), cents(numberOf(amount)), what)
        assert.equal(
          cents(numberOf(sum)),
          rows.reduce((total, [, , amount]) => total + cents(numberOf(amount)), 0),
        )
        assert.ok(rows.length >= 6)
      })
  })
}

function cellsOf(row) {
  return row
    .split('|')
    .slice(1, -1)
    .map(cell => cell.trim())
}

/** Sums of products with brackets. A text is free of charge. */
function amountOf(arithmetic) {
  if (!/^[\d.x+() ]+$/.test(arithmetic)) return 0
  return new Function(`return ${arithmetic.replaceAll('x', '*')}`)()
}

function numberOf(text) {
  return Number(text.replaceAll(',', ''))
}

function cents(dollars) {
  return Math.round(dollars * 100)
}
