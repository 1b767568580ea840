// What a client does, once for every SDK: `client.mjs` plays it with Stripe's for Node, `client.py` with that for Python.
//
// A step calls a method of the SDK (`customers.create`) with the ids of its path and its parameters. What it expects is
// written by path (`items.data.0.price.id`); `$ada.id` is what an earlier step saved as `ada`, and `~string` any text.

const steps = []
const call = (name, method, more = {}) => steps.push({ name, call: method, ...more })
const inspect = (name, method, path, body, more = {}) => steps.push({ name, inspect: method, path, body, ...more })
const refused = (status, type, code, param) => ({ status, class: 'StripeInvalidRequestError', type, code, param })
const missing = (param, status = 404) => refused(status, 'invalid_request_error', 'resource_missing', param)

const DAY = 86_400
const START = 1_790_000_000

// --- customers
call('a customer is made', 'customers.create', {
  params: { email: 'ada@example.com', name: 'Ada', metadata: { member: '1', note: 'a & b = c' }, address: { city: 'Lyon', country: 'FR' } },
  options: { key: 'ada' },
  save: 'ada',
  expect: { object: 'customer', id: '~string', email: 'ada@example.com', 'metadata.note': 'a & b = c', 'address.city': 'Lyon', livemode: false, created: START, balance: 0, currency: null },
  headers: { 'idempotency-key': 'ada', 'original-request': '~string', 'stripe-should-retry': 'false', 'idempotent-replayed': null },
})
call('the same key repeats the answer', 'customers.create', {
  params: { email: 'ada@example.com', name: 'Ada', metadata: { member: '1', note: 'a & b = c' }, address: { city: 'Lyon', country: 'FR' } },
  options: { key: 'ada' },
  expect: { id: '$ada.id' },
  headers: { 'idempotent-replayed': 'true', 'idempotency-key': 'ada', 'original-request': '$ada.headers.request-id' },
})
call('the same key with another body is refused', 'customers.create', {
  params: { email: 'eve@example.com' },
  options: { key: 'ada' },
  error: { status: 400, class: 'StripeIdempotencyError', type: 'idempotency_error' },
})
call('it is retrieved', 'customers.retrieve', { ids: ['$ada.id'], expect: { id: '$ada.id', name: 'Ada' }, headers: { 'idempotency-key': null, 'original-request': null } })
call('it is changed: texts, groups, metadata', 'customers.update', {
  ids: ['$ada.id'],
  params: { name: 'Ada L.', metadata: { member: '', plan: 'gold' }, preferred_locales: ['fr', 'en'], phone: '+331234' },
  expect: { name: 'Ada L.', 'metadata.plan': 'gold', 'metadata.member': '~undefined', 'metadata.note': 'a & b = c', preferred_locales: ['fr', 'en'], email: 'ada@example.com' },
})
call('an empty text unsets', 'customers.update', { ids: ['$ada.id'], params: { phone: '' }, expect: { phone: null } })
for (let number = 1; number <= 25; number += 1) {
  call(`customer ${number} of the list`, 'customers.create', { params: { email: `m${number}@example.com`, name: `Member ${number}` }, save: `m${number}` })
}
call('a page is newest first', 'customers.list', {
  params: { limit: 3 },
  expect: { object: 'list', has_more: true, url: '/v1/customers', 'data.0.id': '$m25.id', 'data.2.id': '$m23.id', 'data.3': '~undefined' },
})
call('a list without a limit has ten', 'customers.list', { expect: { has_more: true, 'data.9.id': '$m16.id', 'data.10': '~undefined' } })
call('all pages, by starting_after', 'customers.list', { params: { limit: 7 }, all: true, expect: { count: 26, first: '$m25.id', last: '$ada.id' } })
call('all pages backwards, by ending_before', 'customers.list', {
  params: { limit: 10, ending_before: '$ada.id' }, all: true, expect: { count: 25, first: '$m1.id', last: '$m25.id' },
})
call('by address', 'customers.list', { params: { email: 'm7@example.com' }, all: true, expect: { count: 1, first: '$m7.id' } })
call('by time', 'customers.list', { params: { created: { gt: START } }, expect: { data: [], has_more: false } })
call('a limit of 101 is refused', 'customers.list', { params: { limit: 101 }, error: refused(400, 'invalid_request_error', 'parameter_invalid_integer', 'limit') })
call('a cursor nobody knows is refused', 'customers.list', { params: { starting_after: 'cus_nobody' }, error: missing('starting_after', 400) })
call('a customer that is not there', 'customers.retrieve', { ids: ['cus_nobody'], error: { ...missing('id'), message: "No such customer: 'cus_nobody'" } })
call('an address without @', 'customers.create', { params: { email: 'nonsense' }, error: refused(400, 'invalid_request_error', 'email_invalid', 'email') })
call('an unknown parameter', 'customers.create', {
  params: { nmae: 'x' }, error: { ...refused(400, 'invalid_request_error', 'parameter_unknown', 'nmae'), message: 'Received unknown parameter: nmae' },
})
call('a key that nobody knows', 'customers.list', {
  options: { apiKey: 'sk_test_wrong' }, error: { status: 401, class: 'StripeAuthenticationError', type: 'invalid_request_error' },
})
call('an account the key does not reach', 'customers.list', {
  options: { account: 'acct_nobody' }, error: { status: 403, class: 'StripePermissionError', type: 'invalid_request_error', code: 'account_invalid' },
})
call('a customer is deleted', 'customers.delete', { ids: ['$m25.id'], expect: { id: '$m25.id', object: 'customer', deleted: true } })
call('and stays a stub', 'customers.retrieve', { ids: ['$m25.id'], expect: { deleted: true, email: '~undefined' } })
call('and is in no list', 'customers.list', { params: { limit: 1 }, expect: { 'data.0.id': '$m24.id' } })
call('and cannot be changed', 'customers.update', { ids: ['$m25.id'], params: { name: 'x' }, error: missing('id') })

// --- products and prices
call('a product is made', 'products.create', {
  params: { name: 'Gold', description: 'All of it', marketing_features: [{ name: 'Archive' }], metadata: { memberd_tier: 'gold' } },
  save: 'gold', expect: { object: 'product', active: true, type: 'service', 'marketing_features.0.name': 'Archive', default_price: null },
})
call('one with its first price', 'products.create', {
  params: { name: 'Silver', default_price_data: { currency: 'eur', unit_amount: 900, recurring: { interval: 'year' } } },
  save: 'silver', expect: { default_price: '~string' },
})
call('its price comes expanded', 'products.retrieve', {
  ids: ['$silver.id'], params: { expand: ['default_price'] },
  expect: { 'default_price.object': 'price', 'default_price.currency': 'eur', 'default_price.recurring.interval': 'year', 'default_price.product': '$silver.id' },
})
call('a product without a name', 'products.create', {
  params: { description: 'x' }, error: { ...refused(400, 'invalid_request_error', 'parameter_missing', 'name'), message: 'Missing required param: name.' },
})
call('a product twice', 'products.create', { params: { id: '$gold.id', name: 'Gold' }, error: refused(400, 'invalid_request_error', 'resource_already_exists', 'id') })
for (const [name, interval, amount] of [['monthly', 'month', 500], ['yearly', 'year', 5_000], ['weekly', 'week', 200]]) {
  call(`a ${name} price`, 'prices.create', {
    params: { product: '$gold.id', currency: 'usd', unit_amount: amount, recurring: { interval }, lookup_key: `gold_${name}`, nickname: name },
    save: name, expect: { object: 'price', type: 'recurring', unit_amount: amount, 'recurring.interval': interval, 'recurring.interval_count': 1, lookup_key: `gold_${name}` },
  })
}
call('a price for once', 'prices.create', { params: { product: '$gold.id', currency: 'usd', unit_amount: 100 }, save: 'once', expect: { type: 'one_time', recurring: null } })
call('a dearer one', 'prices.create', { params: { product: '$silver.id', currency: 'usd', unit_amount: 900, recurring: { interval: 'month' } }, save: 'dear' })
call('prices by lookup key, with their product', 'prices.list', {
  params: { lookup_keys: ['gold_yearly'], expand: ['data.product'] }, expect: { 'data.0.id': '$yearly.id', 'data.0.product.name': 'Gold', 'data.1': '~undefined' },
})
call('prices by product', 'prices.list', { params: { product: '$gold.id', type: 'recurring' }, all: true, expect: { count: 3 } })
call('a price of no product', 'prices.create', { params: { product: 'prod_no', currency: 'usd', unit_amount: 1 }, error: missing('product', 400) })
call('a price is archived', 'prices.update', { ids: ['$weekly.id'], params: { active: false }, expect: { active: false } })
call('and is not sold', 'subscriptions.create', {
  params: { customer: '$ada.id', items: [{ price: '$weekly.id' }] }, error: refused(400, 'invalid_request_error', 'price_inactive', 'items[0][price]'),
})
call('the default price of a product', 'products.update', { ids: ['$gold.id'], params: { default_price: '$monthly.id' }, expect: { default_price: '$monthly.id' } })
call('a product with prices is not deleted', 'products.delete', { ids: ['$gold.id'], error: { status: 400, class: 'StripeInvalidRequestError' } })
call('one more product', 'products.create', { params: { name: 'Nothing' }, save: 'nothing' })
call('one without prices is', 'products.delete', { ids: ['$nothing.id'], expect: { deleted: true, object: 'product' } })
call('and is gone', 'products.retrieve', { ids: ['$nothing.id'], error: missing('id') })

// --- subscriptions and their invoices
call('a subscription is made and paid', 'subscriptions.create', {
  params: { customer: '$ada.id', items: [{ price: '$monthly.id', quantity: 2 }], metadata: { from: 'fidelity' }, expand: ['latest_invoice'] },
  save: 'sub',
  expect: {
    object: 'subscription', status: 'active', customer: '$ada.id', 'items.object': 'list', 'items.data.0.quantity': 2,
    'items.data.0.price.id': '$monthly.id', 'items.data.0.plan.id': '$monthly.id', 'items.data.0.current_period_start': START,
    current_period_end: '~undefined', 'latest_invoice.status': 'paid', 'latest_invoice.amount_paid': 1_000, 'latest_invoice.billing_reason': 'subscription_create',
    'latest_invoice.lines.data.0.amount': 1_000, 'metadata.from': 'fidelity',
  },
})
call('the customer has its currency', 'customers.retrieve', { ids: ['$ada.id'], expect: { currency: 'usd', delinquent: false } })
call('its items', 'subscription_items.list', { params: { subscription: '$sub.id' }, all: true, expect: { count: 1, first: '$sub.items.data.0.id' } })
call('its invoice', 'invoices.retrieve', {
  ids: ['$sub.latest_invoice.id'], params: { expand: ['customer', 'parent.subscription_details.subscription'] },
  expect: { 'customer.email': 'ada@example.com', 'parent.type': 'subscription_details', 'parent.subscription_details.subscription.id': '$sub.id', total: 1_000, subscription: '~undefined' },
})
call('the lines of the invoice', 'invoices.list_line_items', { ids: ['$sub.latest_invoice.id'], expect: { 'data.0.object': 'line_item', 'data.0.pricing.price_details.price': '$monthly.id', has_more: false } })
call('its payment', 'invoice_payments.list', { params: { invoice: '$sub.latest_invoice.id' }, expect: { 'data.0.object': 'invoice_payment', 'data.0.status': 'paid', 'data.0.amount_paid': 1_000 }, save: 'paid' })
call('the payment alone', 'invoice_payments.retrieve', { ids: ['$paid.data.0.id'], expect: { 'payment.type': 'payment_intent' } })
call('its charge', 'charges.list', { params: { customer: '$ada.id' }, expect: { 'data.0.amount': 1_000, 'data.0.status': 'succeeded', 'data.0.paid': true }, save: 'charges' })
call('the charge alone, with its customer', 'charges.retrieve', { ids: ['$charges.data.0.id'], params: { expand: ['customer'] }, expect: { 'customer.id': '$ada.id' } })
call('what cannot be expanded', 'subscriptions.retrieve', { ids: ['$sub.id'], params: { expand: ['nothing'] }, error: { status: 400, class: 'StripeInvalidRequestError' } })
call('a trial', 'subscriptions.create', {
  params: { customer: '$m1.id', items: [{ price: '$monthly.id' }], trial_period_days: 14 },
  save: 'trial', expect: { status: 'trialing', trial_start: START, trial_end: START + 14 * DAY, 'items.data.0.current_period_end': START + 14 * DAY },
})
call('two items, a yearly one is refused', 'subscriptions.create', {
  params: { customer: '$m2.id', items: [{ price: '$monthly.id' }, { price: '$yearly.id' }] }, error: { status: 400, class: 'StripeInvalidRequestError' },
})
call('two items', 'subscriptions.create', { params: { customer: '$m2.id', items: [{ price: '$monthly.id' }, { price: '$dear.id' }] }, save: 'two', expect: { 'items.total_count': 2, status: 'active' } })
call('one more expensive, at once', 'subscriptions.update', {
  ids: ['$sub.id'], params: { items: [{ id: '$sub.items.data.0.id', price: '$dear.id' }], proration_behavior: 'always_invoice' },
  expect: { 'items.data.0.price.id': '$dear.id', 'items.data.0.id': '$sub.items.data.0.id' }, save: 'sub',
})
call('it shall end with its period', 'subscriptions.update', {
  ids: ['$sub.id'], params: { cancel_at_period_end: true }, expect: { cancel_at_period_end: true, cancel_at: '$sub.items.data.0.current_period_end', canceled_at: START, status: 'active', 'cancellation_details.reason': 'cancellation_requested' },
})
call('and goes on after all', 'subscriptions.update', { ids: ['$sub.id'], params: { cancel_at_period_end: false }, expect: { cancel_at_period_end: false, cancel_at: null, canceled_at: null } })
call('its collection is paused', 'subscriptions.update', {
  ids: ['$sub.id'], params: { pause_collection: { behavior: 'void', resumes_at: START + 40 * DAY } }, expect: { 'pause_collection.behavior': 'void', 'pause_collection.resumes_at': START + 40 * DAY, status: 'active' },
})
call('and goes on', 'subscriptions.update', { ids: ['$sub.id'], params: { pause_collection: '' }, expect: { pause_collection: null } })
call('a trial that ends in a pause', 'subscriptions.create', {
  params: { customer: '$m3.id', items: [{ price: '$monthly.id' }], trial_period_days: 1, trial_settings: { end_behavior: { missing_payment_method: 'pause' } } },
  save: 'pausing', expect: { 'trial_settings.end_behavior.missing_payment_method': 'pause' },
})
call('nobody can be charged for it', 'customers.update', { ids: ['$m3.id'], params: { metadata: { sandbox_card: 'missing' } } })
call('a card that fails', 'customers.update', { ids: ['$m4.id'], params: { metadata: { sandbox_card: 'fails' } } })
call('is an error when asked for', 'subscriptions.create', {
  params: { customer: '$m4.id', items: [{ price: '$monthly.id' }], payment_behavior: 'error_if_incomplete' },
  error: { status: 402, class: 'StripeCardError', type: 'card_error', code: 'card_declined', decline_code: 'generic_decline' },
})
call('and leaves it incomplete otherwise', 'subscriptions.create', { params: { customer: '$m4.id', items: [{ price: '$monthly.id' }], expand: ['latest_invoice'] }, save: 'incomplete', expect: { status: 'incomplete', 'latest_invoice.status': 'open', 'latest_invoice.attempt_count': 1 } })
call('paying fails too', 'invoices.pay', { ids: ['$incomplete.latest_invoice.id'], error: { status: 402, class: 'StripeCardError', type: 'card_error', code: 'card_declined' } })
call('a failed charge tells of it', 'charges.list', { params: { customer: '$m4.id' }, expect: { 'data.0.status': 'failed', 'data.0.paid': false, 'data.0.failure_code': 'card_declined', 'data.0.outcome.type': 'issuer_declined' } })
call('the card works again', 'customers.update', { ids: ['$m4.id'], params: { metadata: { sandbox_card: '' } } })
call('the invoice is paid', 'invoices.pay', { ids: ['$incomplete.latest_invoice.id'], expect: { status: 'paid', amount_remaining: 0 } })
call('and the subscription is active', 'subscriptions.retrieve', { ids: ['$incomplete.id'], expect: { status: 'active' } })
call('what is paid cannot be paid', 'invoices.pay', { ids: ['$incomplete.latest_invoice.id'], error: { status: 400, class: 'StripeInvalidRequestError' } })
call('a bill', 'subscriptions.create', {
  params: { customer: '$m5.id', items: [{ price: '$yearly.id' }], collection_method: 'send_invoice', days_until_due: 14, expand: ['latest_invoice'] },
  save: 'bill', expect: { status: 'active', collection_method: 'send_invoice', 'latest_invoice.status': 'open', 'latest_invoice.due_date': START + 14 * DAY },
})
call('it is voided', 'invoices.void_invoice', { ids: ['$bill.latest_invoice.id'], expect: { status: 'void', 'status_transitions.voided_at': START } })
call('a subscription ends at once', 'subscriptions.cancel', {
  ids: ['$two.id'], params: { cancellation_details: { comment: 'bye', feedback: 'too_expensive' } },
  expect: { status: 'canceled', ended_at: START, canceled_at: START, 'cancellation_details.feedback': 'too_expensive', 'cancellation_details.reason': 'cancellation_requested' },
})
call('and cannot end twice', 'subscriptions.cancel', { ids: ['$two.id'], error: missing('id') })
call('it is in no usual list', 'subscriptions.list', { params: { customer: '$m2.id' }, all: true, expect: { count: 0 } })
call('but in that of all', 'subscriptions.list', { params: { customer: '$m2.id', status: 'all' }, all: true, expect: { count: 1, first: '$two.id' } })
call('by price', 'subscriptions.list', { params: { price: '$dear.id' }, all: true, expect: { count: 1, first: '$sub.id' } })

// --- time passes
inspect('two days pass', 'POST', '/clock', { advance_seconds: 2 * DAY })
call('a trial without a card is paused', 'subscriptions.retrieve', { ids: ['$pausing.id'], expect: { status: 'paused' } })
call('what is not paused is not resumed', 'subscriptions.resume', { ids: ['$sub.id'], error: { status: 400, class: 'StripeInvalidRequestError' } })
call('a card comes', 'customers.update', { ids: ['$m3.id'], params: { metadata: { sandbox_card: '' } } })
call('it is resumed', 'subscriptions.resume', { ids: ['$pausing.id'], expect: { status: 'active', 'items.data.0.current_period_start': START + 2 * DAY } })
inspect('the trial ends', 'POST', '/clock', { advance_seconds: 13 * DAY })
call('and is paid for', 'subscriptions.retrieve', { ids: ['$trial.id'], params: { expand: ['latest_invoice'] }, expect: { status: 'active', 'latest_invoice.amount_paid': 500, 'latest_invoice.billing_reason': 'subscription_cycle' } })
// --- checkout and refunds
call('a page to subscribe on', 'checkout.sessions.create', {
  params: {
    mode: 'subscription', customer: '$m6.id', client_reference_id: 'mem_6', line_items: [{ price: '$monthly.id', quantity: 1 }], allow_promotion_codes: true,
    success_url: 'https://example.com/in?session={CHECKOUT_SESSION_ID}', cancel_url: 'https://example.com/out', subscription_data: { metadata: { from: 'page' } },
  },
  options: { key: 'page' }, save: 'page',
  expect: { object: 'checkout.session', status: 'open', payment_status: 'unpaid', mode: 'subscription', customer: '$m6.id', url: '~string', amount_total: 500, subscription: null },
})
call('its items', 'checkout.sessions.list_line_items', { ids: ['$page.id'], expect: { 'data.0.object': 'item', 'data.0.price.id': '$monthly.id', 'data.0.quantity': 1 } })
inspect('she pays on it', 'POST', '/stripe/checkout', { session: '$page.id' })
call('it is complete', 'checkout.sessions.retrieve', {
  ids: ['$page.id'], params: { expand: ['subscription', 'invoice', 'line_items'] },
  expect: {
    status: 'complete', payment_status: 'paid', url: null, 'subscription.status': 'active', 'subscription.metadata.from': 'page', 'subscription.customer': '$m6.id',
    'invoice.amount_paid': 500, 'line_items.data.0.amount_total': 500, 'customer_details.email': 'm6@example.com',
  },
})
call('it cannot be closed any more', 'checkout.sessions.expire', { ids: ['$page.id'], error: { status: 400, class: 'StripeInvalidRequestError' } })
call('a page to buy on', 'checkout.sessions.create', {
  params: { mode: 'payment', customer_email: 'guest@example.com', line_items: [{ price: '$once.id', quantity: 3 }], success_url: 'https://example.com/in' },
  save: 'shop', expect: { mode: 'payment', amount_total: 300, customer: null, customer_email: 'guest@example.com' },
})
inspect('a guest pays on it', 'POST', '/stripe/checkout', { session: '$shop.id', name: 'Guest' })
call('she is a customer now', 'checkout.sessions.retrieve', { ids: ['$shop.id'], params: { expand: ['customer'] }, expect: { 'customer.email': 'guest@example.com', payment_status: 'paid', payment_intent: '~string' }, save: 'shop' })
call('a part is given back', 'refunds.create', {
  params: { payment_intent: '$shop.payment_intent', amount: 100, reason: 'requested_by_customer' }, save: 'refund', expect: { object: 'refund', amount: 100, status: 'succeeded', charge: '~string' },
})
call('the charge knows', 'charges.retrieve', { ids: ['$refund.charge'], expect: { amount_refunded: 100, refunded: false } })
call('more than is left', 'refunds.create', { params: { charge: '$refund.charge', amount: 201 }, error: { status: 400, class: 'StripeInvalidRequestError', param: 'amount' } })
call('all that is left', 'refunds.create', { params: { charge: '$refund.charge' }, expect: { amount: 200 } })
call('nothing is left', 'refunds.create', { params: { charge: '$refund.charge' }, error: { status: 400, class: 'StripeInvalidRequestError', code: 'charge_already_refunded' } })
call('a refund of nothing', 'refunds.create', { params: { amount: 1 }, error: { status: 400, class: 'StripeInvalidRequestError', code: 'parameter_missing' } })
call('refunds of a charge', 'refunds.list', { params: { charge: '$refund.charge' }, all: true, expect: { count: 2, last: '$refund.id' } })
call('a note on a refund', 'refunds.update', { ids: ['$refund.id'], params: { metadata: { why: 'broken' } }, expect: { 'metadata.why': 'broken' } })
call('one refund', 'refunds.retrieve', { ids: ['$refund.id'], params: { expand: ['charge'] }, expect: { 'charge.refunded': true } })
call('a page that nobody pays on', 'checkout.sessions.create', { params: { mode: 'subscription', line_items: [{ price: '$monthly.id', quantity: 1 }], success_url: 'https://example.com/in' }, save: 'closed' })
call('is closed', 'checkout.sessions.expire', { ids: ['$closed.id'], expect: { status: 'expired', url: null } })
call('pages by state', 'checkout.sessions.list', { params: { status: 'complete' }, all: true, expect: { count: 2, first: '$shop.id', last: '$page.id' } })
call('a page without prices', 'checkout.sessions.create', { params: { mode: 'payment', success_url: 'https://example.com/in' }, error: refused(400, 'invalid_request_error', 'parameter_missing', 'line_items') })
call('a page for once of a monthly price', 'checkout.sessions.create', { params: { mode: 'payment', line_items: [{ price: '$monthly.id', quantity: 1 }], success_url: 'https://example.com/in' }, error: refused(400, 'invalid_request_error', null, 'line_items[0][price]') })

// --- events
call('the first pages of all events', 'events.list', { params: { limit: 100 }, all: true, expect: { count: '~number' }, save: 'events' })
call('events by type', 'events.list', { params: { type: 'customer.deleted' }, expect: { 'data.0.type': 'customer.deleted', 'data.0.data.object.id': '$m25.id', 'data.0.data.previous_attributes': '~undefined', 'data.1': '~undefined', 'data.0.object': 'event' }, save: 'deleted' })
call('events by the beginning of a type', 'events.list', { params: { type: 'invoice.*', limit: 100 }, all: true, expect: { count: '~number' } })
call('events by several types', 'events.list', { params: { types: ['customer.subscription.resumed', 'customer.subscription.trial_will_end'] }, all: true, expect: { count: 3 } })
call('one event', 'events.retrieve', { ids: ['$deleted.data.0.id'], expect: { id: '$deleted.data.0.id', livemode: false, api_version: '~string', 'request.id': '~string', pending_webhooks: 0 } })
call('changes tell what was before', 'events.list', { params: { type: 'price.updated' }, expect: { 'data.0.data.previous_attributes': { active: true }, 'data.0.data.object.active': false } })
call('an event that is not there', 'events.retrieve', { ids: ['evt_nobody'], error: missing('id') })

// --- more time passes
call('a card stops working', 'customers.update', { ids: ['$m1.id'], params: { metadata: { sandbox_card: 'fails' } } })
inspect('a month passes', 'POST', '/clock', { advance_seconds: 31 * DAY })
call('the payment is overdue', 'subscriptions.retrieve', { ids: ['$trial.id'], params: { expand: ['latest_invoice', 'customer'] }, expect: { status: 'past_due', 'latest_invoice.status': 'open', 'latest_invoice.next_payment_attempt': '~number', 'customer.delinquent': true } })

// --- what is only read
call('the account', 'accounts.retrieve_current', { expect: { object: 'account', id: '~string', charges_enabled: true }, save: 'account' })
call('the account by id', 'accounts.retrieve', { ids: ['$account.id'], expect: { id: '$account.id' } })
call('connected accounts', 'accounts.list', { expect: { data: [] } })
for (const [list, params] of [['coupons', {}], ['promotion_codes', {}], ['subscription_schedules', {}], ['payment_methods', { customer: '$ada.id' }]]) {
  call(`the list of ${list}`, `${list}.list`, { params: { limit: 2, ...params }, expect: { object: 'list', has_more: false } })
}
inspect('a world with coupons, codes and cards', 'POST', '/stripe/world', { seed: 7, members: 12 })
call('a promotion code by what is typed', 'promotion_codes.list', { params: { code: 'HELLO25' }, expect: { 'data.0.promotion.type': 'coupon' }, save: 'codes' })
call('its coupon', 'coupons.retrieve', { ids: ['$codes.data.0.promotion.coupon'], expect: { percent_off: 25, valid: true, duration: 'once' } })
call('the code with its coupon', 'promotion_codes.retrieve', { ids: ['$codes.data.0.id'], params: { expand: ['promotion.coupon'] }, expect: { 'promotion.coupon.percent_off': 25 } })
call('charges with a card', 'charges.list', { params: { limit: 1 }, expect: { 'data.0.payment_method': '~string', 'data.0.payment_method_details.card.last4': '~string' }, save: 'card' })
call('the card', 'payment_methods.retrieve', { ids: ['$card.data.0.payment_method'], expect: { type: 'card', 'card.brand': '~string', customer: '$card.data.0.customer' } })

// --- when Stripe is in trouble
inspect('Stripe is busy', 'POST', '/faults', { target: 'stripe', mode: 'status', status: 429, times: 1 })
call('too many requests', 'customers.list', {
  error: { status: 429, class: 'StripeRateLimitError', code: 'rate_limit', headers: { 'stripe-should-retry': 'true', 'stripe-rate-limited-reason': '~string' } },
})
inspect('Stripe fails twice', 'POST', '/faults', { target: 'stripe', mode: 'status', status: 500, times: 2, method: 'POST' })
call('the SDK asks again by itself', 'customers.create', { params: { name: 'Once' }, options: { retries: 3 }, expect: { name: 'Once' }, save: 'once_only' })
inspect('the answer is lost', 'POST', '/faults', { target: 'stripe', mode: 'timeout_after_success', delay_ms: 0, times: 1, method: 'POST' })
call('and gets the same answer', 'customers.create', { params: { name: 'Twice' }, options: { retries: 3 }, expect: { name: 'Twice' }, headers: { 'idempotent-replayed': 'true' } })
call('one customer was made each time', 'customers.list', { params: { limit: 2 }, expect: { 'data.0.name': 'Twice', 'data.1.id': '$once_only.id' } })
inspect('a server error', 'POST', '/faults', { target: 'stripe', mode: 'status', status: 503, times: 1 })
call('is an API error', 'customers.list', { error: { status: 503, class: 'StripeAPIError', type: 'api_error' } })

export default steps
