// @supabase/stripe-sync-engine behind a bare HTTP server: POST /webhooks takes events, POST /fill walks some lists.
// Environment: DATABASE_URL, PORT, STRIPE_PORT (the fake Stripe), SECRET.
const Stripe = require('stripe')
const { StripeSync, runMigrations } = require('@supabase/stripe-sync-engine')
const { serve } = require('./server.cjs')

const { DATABASE_URL, PORT, STRIPE_PORT, SECRET } = process.env

async function main() {
  await runMigrations({ databaseUrl: DATABASE_URL, schema: 'stripe' })
  const engine = new StripeSync({
    poolConfig: { connectionString: DATABASE_URL, max: 10 },
    stripeSecretKey: 'sk_test_bench',
    stripeWebhookSecret: SECRET,
    backfillRelatedEntities: false,
    autoExpandLists: false,
  })
  engine.stripe = new Stripe('sk_test_bench', { host: '127.0.0.1', port: Number(STRIPE_PORT), protocol: 'http' })
  const fill = async () => {
    for (const object of ['product', 'price', 'customer', 'subscription']) await engine.syncBackfill({ object })
  }
  const answer = async (url, body, headers) => {
    if (url === '/webhooks') await engine.processWebhook(body, headers['stripe-signature'])
    if (url === '/fill') await fill()
  }
  serve(Number(PORT), answer)
}
main().catch((error) => { console.error(error); process.exit(1) })
