// Objects beside Stripe's published examples (fixtures3.json of github.com/stripe/openapi, MIT): the same fields at the top,
// of the same kinds. Examples are of Stripe's newest version and show optional fields too, so some differences are known.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Known } from './known.mjs'
import { Section } from './report.mjs'
import { collect } from './types.mjs'

/** What the known differences were reviewed against. */
const REVIEWED = '41486e14a5b930447f53ecc4e71e34e3184462ba3d18212a39d4a40f70eaba44'

const kindOf = (value) => (Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value)

/** An object and those of other kinds that lie in it. */
function parts({ kind, object }) {
  const inside = [[kind, object]]
  if (kind === 'subscription') {
    for (const item of object.items.data) inside.push(['subscription_item', item], ['plan', item.plan])
  }
  if (kind === 'invoice') for (const line of object.lines.data) inside.push(['line_item', line])
  return inside
}

export async function fixtures(worlds, file) {
  const section = new Section("Stripe's published examples")
  const text = readFileSync(file)
  const digest = createHash('sha256').update(text).digest('hex')
  const examples = JSON.parse(text).resources
  const seen = new Map()
  for (const found of await collect(worlds)) {
    if (found.object.deleted) continue
    for (const [kind, object] of parts(found)) {
      const fields = seen.get(kind) ?? seen.set(kind, { objects: 0, fields: new Map() }).get(kind)
      fields.objects += 1
      for (const [field, value] of Object.entries(object)) {
        const kinds = fields.fields.get(field) ?? fields.fields.set(field, new Map()).get(field)
        kinds.set(kindOf(value), (kinds.get(kindOf(value)) ?? 0) + 1)
      }
    }
  }
  const known = new Known('fixtures')
  for (const [kind, { objects, fields }] of seen) {
    const example = examples[kind]
    if (!example) {
      section.note(kind, 'Stripe publishes no example of it')
      continue
    }
    const note = (field, wrong) => section.note(`${kind}.${field}`, wrong && !known.covers(kind, wrong) ? wrong : '')
    for (const [field, value] of Object.entries(example)) {
      const kinds = fields.get(field)
      const times = [...(kinds?.values() ?? [])].reduce((sum, count) => sum + count, 0)
      if (times < objects) {
        note(field, `${field} is missing${times ? ` in ${objects - times} of ${objects}` : ''}`)
        continue
      }
      const others = [...kinds.keys()].filter((one) => one !== 'null' && value !== null && one !== kindOf(value))
      note(field, others.length ? `${field} is of kind ${others}, in the example of kind ${kindOf(value)}` : '')
    }
    for (const field of fields.keys()) {
      if (!(field in example)) note(field, `${field} is not in the example`)
    }
  }
  known.unused().forEach((one) => section.note(one, 'no such difference was found: take it out of differences.json'))
  const other = digest === REVIEWED ? '' : `; this is not the file that the known differences were reviewed against (${digest.slice(0, 12)})`
  section.end(`${seen.size} kinds${other}`)
}
