// The 21 checks on which sync engines were compared: events of one second, out of order, twice, unknown, of other modes
// and accounts, and signatures. memberd on an empty database; a stand-in for Stripe knows each object as it is now.

import { createServer } from 'node:http'
import Stripe from 'stripe'
import { ask, daemon, freePort, sandbox, stop } from './processes.mjs'
import { Section } from './report.mjs'

const SECRET = 'whsec_fidelity'
const ACCOUNT = 'acct_1FidelityOrder01'

/** Stripe as far as memberd asks: single objects as they are now, and empty lists. */
async function standIn() {
  const objects = new Map([['account', { id: ACCOUNT, object: 'account', created: 1, livemode: false }]])
  let asked = 0
  const server = createServer((request, response) => {
    const path = new URL(request.url, 'http://stripe').pathname.replace('/v1/', '')
    const object = objects.get(path.split('/').at(-1))
    asked += 1
    response.setHeader('content-type', 'application/json')
    response.setHeader('request-id', `req_${asked}`)
    if (object) return response.end(JSON.stringify(object))
    if (!path.includes('/')) return response.end(JSON.stringify({ object: 'list', url: request.url, has_more: false, data: [] }))
    response.statusCode = 404
    return response.end(JSON.stringify({ error: { type: 'invalid_request_error', code: 'resource_missing', param: 'id', message: `No such object: '${path}'` } }))
  })
  const port = await freePort()
  await new Promise((done) => server.listen(port, '127.0.0.1', done))
  return { url: `http://127.0.0.1:${port}`, objects, asked: () => asked, end: () => server.close() }
}

/** A customer and a subscription to copy, so that their shape is the sandbox's and not one more. */
async function patterns() {
  const world = await sandbox('sandbox-patterns')
  await world.tell('/stripe/world', { seed: 1, members: 12 })
  const first = async (kind, fits) => (await world.look(`/stripe/truth?type=${kind}`)).data.find(fits)
  const found = {
    customer: await first('customer', (one) => !one.deleted),
    subscription: await first('subscription', (one) => one.status === 'active'),
  }
  await stop(world.process)
  return found
}

export async function order() {
  const section = new Section('21 checks of order, duplicates, modes and signatures')
  const stripe = await standIn()
  const pattern = await patterns()
  const memberd = await daemon('memberd-order', { api: stripe.url, secrets: [SECRET], account: ACCOUNT })
  const now = Math.floor(Date.now() / 1000)
  let events = 0

  const subscription = (name, changed) => {
    const id = `sub_order_${name}`
    const items = { ...pattern.subscription.items, data: [{ ...pattern.subscription.items.data[0], id: `si_order_${name}`, subscription: id }] }
    return { ...pattern.subscription, id, customer: `cus_order_${name}`, items, latest_invoice: null, created: now - 1_000, ...changed }
  }
  const customer = (name, changed) => ({ ...pattern.customer, id: `cus_order_${name}`, email: `${name}@example.com`, created: now - 1_000, ...changed })
  const event = (type, age, object, more = {}) => {
    events += 1
    return {
      id: `evt_order_${events}`, object: 'event', api_version: '2026-09-30.endive', created: now - age, type, livemode: false, pending_webhooks: 1,
      request: { id: null, idempotency_key: null }, data: { object }, ...more,
    }
  }
  const post = async (payload, header) => (await ask('POST', memberd.webhook, payload, header ? { 'stripe-signature': header } : {})).status
  const sign = (payload, secret = SECRET, age = 0) =>
    Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp: Math.floor(Date.now() / 1000) - age })
  /** Sends events one after the other; the object as Stripe has it now is `truth`. */
  const send = async (truth, ...list) => {
    if (truth) stripe.objects.set(truth.id, truth)
    const statuses = []
    for (const one of list) {
      const payload = JSON.stringify(one)
      statuses.push(await post(payload, sign(payload)))
    }
    return statuses
  }
  const known = async (name) => {
    const one = customer(name)
    await send(one, event('customer.created', 900, one))
  }
  const status = async (name) => {
    await memberd.idle()
    const answer = await memberd.get(`/v1/subscriptions/sub_order_${name}`)
    return answer.status === 200 ? answer.json.status : `HTTP ${answer.status}`
  }
  const play = async (title, name, wanted, truth, ...list) => {
    await known(name)
    const sent = list.map(([type, age, state, more]) => event(`customer.subscription.${type}`, age, subscription(name, state), more))
    const statuses = await send(subscription(name, truth), ...sent)
    section.same(title, [...new Set(statuses), await status(name)], [200, wanted])
  }

  const [incomplete, active] = [{ status: 'incomplete' }, { status: 'active' }]
  const canceled = { status: 'canceled', ended_at: now - 40, canceled_at: now - 40 }
  await play('1 created and updated in one second', 'same', 'active', active, ['created', 100, incomplete], ['updated', 100, active])
  await play('2 the newer first', 'swapped', 'active', active, ['updated', 90, active], ['created', 95, incomplete])
  await known('thrice')
  const trialing = subscription('thrice', { status: 'trialing', trial_end: now + 86_400 })
  const thrice = event('customer.subscription.created', 80, trialing)
  section.same('3 one event three times is answered', await send(trialing, thrice, thrice, thrice), [200, 200, 200])
  section.same('4 and applied', await status('thrice'), 'trialing')
  await play('5 cancelled, then an older update', 'late', 'canceled', canceled, ['deleted', 70, canceled], ['updated', 75, active])
  await play('6 cancelled, then an update of the same second', 'latesame', 'canceled', canceled, ['created', 60, active], ['deleted', 50, canceled], ['updated', 50, active])
  await play('7 updated, then cancelled in the same second', 'endsame', 'canceled', canceled, ['updated', 40, active], ['deleted', 40, canceled])
  section.same('8 an unknown type is answered', await send(null, event('brand.new_thing', 0, { id: 'bn_1', object: 'brand.new' })), [200])
  const unseen = subscription('unseen', active)
  section.same('9 a subscription of a customer nobody has seen', await send(unseen, event('customer.subscription.updated', 0, unseen)), [200])
  stripe.objects.set('cus_order_unseen', customer('unseen'))
  section.same('10 and its state', await status('unseen'), 'active')
  await known('ghost')
  const gone = { id: 'cus_order_ghost', object: 'customer', deleted: true }
  await send(gone, event('customer.deleted', 20, customer('ghost')), event('customer.updated', 25, customer('ghost', { email: 'risen@example.com' })))
  await memberd.idle()
  const members = await memberd.get('/v1/members?limit=100')
  const listed = members.status === 200 && members.json.data.length > 0
  const risen = JSON.stringify(members.json).includes('risen@example.com')
  section.note('11 a deleted customer does not rise', listed && !risen ? '' : JSON.stringify(members))

  const payload = JSON.stringify(event('customer.updated', 0, customer('same')))
  section.same('12 a wrong signature', await post(payload, sign(payload, 'whsec_wrong')), 400)
  section.same('13 a signature of ten minutes ago', await post(payload, sign(payload, SECRET, 600)), 400)
  section.same('14 two signatures, ours the second', await post(payload, `${sign(payload, 'whsec_old')},${sign(payload).split(',')[1]}`), 200)
  section.same('15 no signature', await post(payload, ''), 400)

  const live = { livemode: true }
  await play('16 an event of live mode', 'live', 'active', active, ['created', 10, active], ['updated', 5, { status: 'unpaid', ...live }, live])
  await play('17 an event of another account', 'foreign', 'active', active, ['created', 10, active], ['updated', 5, { status: 'unpaid' }, { account: 'acct_other' }])
  for (const [number, word] of [[18, 'incomplete_expired'], [19, 'past_due'], [20, 'unpaid'], [21, 'paused']]) {
    await play(`${number} the status ${word}`, word.replace('_', ''), word, { status: word }, ['updated', 0, { status: word }])
  }
  await stop(memberd.process)
  stripe.end()
  section.end(`${events} events, Stripe was asked ${stripe.asked()} times`)
}
