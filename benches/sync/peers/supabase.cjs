// @supabase/stripe-sync-engine behind a bare HTTP server: POST /webhooks takes events, POST /fill walks some lists.
// Environment: DATABASE_URL, PORT, STRIPE_PORT (the fake Stripe), SECRET.
const http = require('node:http')
const Stripe = require('stripe')
const { StripeSync, runMigrations } = require('@supabase/stripe-sync-engine')

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
  const answer = async (request, body) => {
    if (request.url === '/webhooks') await engine.processWebhook(body, request.headers['stripe-signature'])
    if (request.url === '/fill') await fill()
  }
  http.createServer((request, response) => {
    const parts = []
    request.on('data', (part) => parts.push(part))
    request.on('end', () => {
      answer(request, Buffer.concat(parts)).then(
        () => response.end('{}'),
        (error) => { response.statusCode = 400; response.end(String(error)) },
      )
    })
  }).listen(Number(PORT), '127.0.0.1')
}
main().catch((error) => { console.error(error); process.exit(1) })
