// Every object of the sandbox as a literal of the type that Stripe's SDK for Node declares for it, before `tsc --strict`:
// a field that is missing, unknown, of another kind or outside its closed list of values is an error of the compiler.

import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Section } from './report.mjs'
import { ask } from './processes.mjs'
import { Known } from './known.mjs'
import { KINDS, truth } from './sdks.mjs'

const TYPES = {
  account: 'Account', charge: 'Charge', 'checkout.session': 'Checkout.Session', coupon: 'Coupon', customer: 'Customer', event: 'Event',
  invoice: 'Invoice', invoice_payment: 'InvoicePayment', payment_method: 'PaymentMethod', price: 'Price', product: 'Product',
  promotion_code: 'PromotionCode', refund: 'Refund', subscription: 'Subscription', subscription_schedule: 'SubscriptionSchedule',
}
const STUBS = { customer: 'DeletedCustomer', product: 'DeletedProduct', coupon: 'DeletedCoupon' }
const LISTS = ['charges', 'checkout/sessions', 'coupons', 'customers', 'events', 'invoice_payments', 'invoices', 'prices', 'products',
  'promotion_codes', 'refunds', 'subscription_schedules', 'subscriptions']
/** How many objects that look alike are shown to the compiler. */
const ALIKE = 3

const here = (name) => fileURLToPath(new URL(name, import.meta.url))

/** Node's SDK makes numbers of the fields that end so, and declares those; what is sent is text. */
const asWritten = (key, value) => (key.endsWith('_decimal') && typeof value === 'string' ? `decimal(${JSON.stringify(value)})` : undefined)

/**
 * What real answers have and the types do not know: the length of lists that lie in objects, and previous attributes of
 * single fields of a group, which are declared as whole groups.
 */
const undeclared = (key, object) => (key === 'total_count' && object.object === 'list') || key === 'previous_attributes'

function literal(value) {
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  const fields = Object.entries(value).filter(([key]) => !undeclared(key, value))
  return `{ ${fields.map(([key, inner]) => `${JSON.stringify(key)}: ${asWritten(key, inner) ?? literal(inner)}`).join(', ')} }`
}

/** The kinds of an object's fields and its words, without ids, times and amounts: what makes two look alike. */
function look(value, key = '') {
  if (Array.isArray(value)) return `[${[...new Set(value.map((inner) => look(inner, key)))].join()}]`
  if (value && typeof value === 'object') {
    if (key === 'metadata') return 'metadata'
    return `{${Object.entries(value).map(([name, inner]) => `${name}:${look(inner, name)}`).join()}}`
  }
  const word = typeof value === 'string' && /^[a-z][a-z_.]*$/.test(value) && !['name', 'code', 'description'].includes(key)
  return word ? value : value === null ? 'null' : typeof value
}

export async function collect(worlds) {
  const seen = new Map()
  const found = []
  for (const world of worlds) {
    for (const kind of KINDS) {
      for (const object of await truth(world, kind)) {
        const alike = look(object)
        seen.set(alike, (seen.get(alike) ?? 0) + 1)
        if (seen.get(alike) <= ALIKE) found.push({ kind, object })
      }
    }
    const account = await ask('GET', `${world.base}/v1/account`, undefined, { authorization: 'Bearer sk_test_sandbox' })
    found.push({ kind: 'account', object: account.json })
  }
  return found
}

export async function types(worlds) {
  const section = new Section("the types of Stripe's SDK for Node (tsc --strict)")
  const lines = ["import Stripe from 'stripe'", 'declare const decimal: (text: string) => Stripe.Decimal']
  const names = []
  for (const { kind, object } of await collect(worlds)) {
    const type = object.deleted && STUBS[kind] ? STUBS[kind] : TYPES[kind]
    names[lines.length + 1] = { kind, name: `${object.type ?? kind} ${object.id}` }
    lines.push(`export const _${lines.length}: Stripe.${type} = ${literal(object)}`)
  }
  for (const list of LISTS) {
    const page = await ask('GET', `${worlds[0].base}/v1/${list}?limit=2`, undefined, { authorization: 'Bearer sk_test_sandbox' })
    const kind = page.json.data[0]?.object
    names[lines.length + 1] = { kind: list, name: `the list /v1/${list}` }
    lines.push(`export const _${lines.length}: Stripe.ApiList<${kind ? `Stripe.${TYPES[kind]}` : 'never'}> = ${literal(page.json)}`)
  }
  for (const { id } of await truth(worlds[0], 'checkout.session')) {
    const page = await ask('GET', `${worlds[0].base}/v1/checkout/sessions/${id}/line_items`, undefined, { authorization: 'Bearer sk_test_sandbox' })
    names[lines.length + 1] = { kind: 'item', name: `what ${id} sells` }
    lines.push(`export const _${lines.length}: Stripe.ApiList<Stripe.LineItem> = ${literal(page.json)}`)
  }
  writeFileSync(here('objects.ts'), `${lines.join('\n')}\n`)
  const args = ['--strict', '--noEmit', '--target', 'es2022', '--module', 'nodenext', '--moduleResolution', 'nodenext', '--skipLibCheck',
    '--types', '', '--pretty', 'false', 'objects.ts']
  const tsc = spawnSync(here('node_modules/.bin/tsc'), args, { cwd: here('.'), encoding: 'utf8', maxBuffer: 1 << 28 })
  if (tsc.error) throw tsc.error
  const errors = byLine(tsc.stdout)
  if (tsc.status !== 0 && errors.size === 0) throw new Error(`tsc failed:\n${tsc.stdout}${tsc.stderr}`)
  const known = new Known('types')
  names.forEach(({ kind, name }, line) => {
    const told = (errors.get(line) ?? []).filter((text) => !known.covers(kind, text))
    section.note(name, told.join('\n'))
  })
  errors.get(0)?.forEach((text) => section.note('the compiler itself', text))
  known.unused().forEach((text) => section.note(text, 'no such difference was found: take it out of differences.json'))
  section.end(`${names.filter(Boolean).length} literals`)
}

/** The compiler's words by line of the file; 0 for what belongs to none. */
function byLine(text) {
  const errors = new Map()
  let line = 0
  for (const said of text.split('\n').filter(Boolean)) {
    const place = /^objects\.ts\((\d+),\d+\): (.*)/.exec(said)
    if (place) line = Number(place[1])
    else if (!said.startsWith(' ')) line = 0
    const list = errors.get(line) ?? errors.set(line, []).get(line)
    if (place) list.push(place[2])
    else if (said.startsWith(' ') && list.length) list[list.length - 1] += `\n${said.slice(0, 300)}`
    else list.push(said)
  }
  return errors
}
