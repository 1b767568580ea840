// Another project's Stripe as the source of the events (localstripe, GPL-3.0, from PyPI, a process of its own): its events
// share their seconds, are of an API version of 2017, and carry states that are over. Every paid invoice must end paid.

import { ask, daemon, freePort, start, stop, until } from './processes.mjs'
import { Section } from './report.mjs'

const SECRET = 'whsec_fidelity'
// It writes all that it knows to the disk after each change, so its time grows with the square.
const SUBSCRIPTIONS = Number(process.env.FIDELITY_SUBSCRIPTIONS ?? 100)
const AT_ONCE = 8
const PATIENCE_MS = 90_000
const CARD = { type: 'card', 'card[number]': '4242424242424242', 'card[exp_month]': '12', 'card[exp_year]': '2030', 'card[cvc]': '123' }

/** One subscriber, paid at once. Answers what localstripe says of her subscription. */
async function subscriber(call, number) {
  const customer = await call('/v1/customers', { email: `m${number}@example.com` })
  const method = await call('/v1/payment_methods', CARD)
  await call(`/v1/payment_methods/${method.id}/attach`, { customer: customer.id })
  await call(`/v1/customers/${customer.id}`, { 'invoice_settings[default_payment_method]': method.id })
  return call('/v1/subscriptions', { customer: customer.id, 'items[0][plan]': 'gold' })
}

/** Every object of one of memberd's lists. */
async function all(memberd, path) {
  const found = []
  for (let cursor = ''; ;) {
    const { status, json } = await memberd.get(`${path}?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`)
    if (status !== 200) throw new Error(`GET ${path} answered ${status}: ${JSON.stringify(json)}`)
    found.push(...json.data)
    cursor = json.next_cursor
    if (!cursor) return found
  }
}

const count = (list) => Object.fromEntries([...list.reduce((counts, { status }) => counts.set(status, (counts.get(status) ?? 0) + 1), new Map())].sort())

export async function localstripe({ localstripe: command }) {
  const section = new Section('localstripe as the source of events')
  const port = await freePort()
  const base = `http://127.0.0.1:${port}`
  const source = await start('localstripe', command, ['--port', String(port), '--from-scratch'], `${base}/`)
  const call = async (path, form) => {
    const headers = { authorization: 'Bearer sk_test_12345', 'content-type': 'application/x-www-form-urlencoded' }
    const { status, json } = await ask('POST', base + path, new URLSearchParams(form).toString(), headers)
    if (status >= 300) throw new Error(`localstripe answered ${status} to ${path}: ${JSON.stringify(json)}`)
    return json
  }
  const memberd = await daemon('memberd-localstripe', { api: base, key: 'sk_test_12345', secrets: [SECRET], account: 'acct_localstripe' })
  await call('/_config/webhooks/memberd', { url: memberd.webhook, secret: SECRET })
  await call('/v1/plans', { id: 'gold', amount: '999', currency: 'usd', interval: 'month', 'product[name]': 'Gold' })
  const made = []
  let next = 0
  const worker = async () => {
    while (next < SUBSCRIPTIONS) made.push(await subscriber(call, (next += 1)))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  section.same('localstripe made', count(made), { active: SUBSCRIPTIONS })
  // It sends a second later, once, and says nowhere that it has; so this waits until nothing is missing, or for ever lost.
  const done = { paid: SUBSCRIPTIONS }
  const arrived = async () => JSON.stringify(count(await all(memberd, '/v1/invoices'))) === JSON.stringify(done)
  await until('every invoice as paid', arrived, PATIENCE_MS).catch((error) => {
    // The sections below say what is missing.
    if (!/never came/.test(error.message)) throw error
  })
  section.same('invoices in memberd', count(await all(memberd, '/v1/invoices')), done)
  section.same('subscriptions in memberd', count(await all(memberd, '/v1/subscriptions')), { active: SUBSCRIPTIONS })
  await stop(memberd.process)
  await stop(source)
  section.end()
}
