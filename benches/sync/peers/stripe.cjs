// @stripe/sync-engine behind a bare HTTP server: POST /webhooks takes events, POST /fill walks some lists.
// Environment: DATABASE_URL, PORT, STRIPE_PORT (the fake Stripe), SECRET, SPEC (an OpenAPI document with the columns).

const { DATABASE_URL, PORT, STRIPE_PORT, SECRET, SPEC } = process.env

// The engine makes its own client, so the module that it takes it from answers one that talks to the fake Stripe.
const place = require.resolve('stripe')
const Stripe = require('stripe')
function Near(key, options) {
  return new Stripe(key, { ...options, host: '127.0.0.1', port: Number(STRIPE_PORT), protocol: 'http' })
}
Object.assign(Near, Stripe, { default: Near, Stripe: Near })
Near.prototype = Stripe.prototype
require.cache[place].exports = Near
const { StripeSync, runMigrations } = require('@stripe/sync-engine')
const { serve } = require('./server.cjs')

// Workers and requests a second of a fill: more than it uses.
const WORKERS = 10
const RATE = 1000
const quiet = { info() {}, debug() {}, warn: console.error, error: console.error }

async function main() {
  await runMigrations({ databaseUrl: DATABASE_URL, openApiSpecPath: SPEC, logger: quiet })
  const engine = await StripeSync.create({
    poolConfig: { connectionString: DATABASE_URL, max: 10 },
    stripeSecretKey: 'sk_test_bench',
    stripeWebhookSecret: SECRET,
    backfillRelatedEntities: false,
    autoExpandLists: false,
    logger: quiet,
  })
  const answer = async (url, body, headers) => {
    if (url === '/webhooks') await engine.webhook.processWebhook(body, headers['stripe-signature'])
    if (url === '/fill') {
      await engine.fullSync(['product', 'price', 'customer', 'subscription'], true, WORKERS, RATE, false)
    }
  }
  serve(Number(PORT), answer)
}
main().catch((error) => { console.error(error); process.exit(1) })
