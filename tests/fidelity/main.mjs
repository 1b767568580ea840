// `./dev fidelity`: how near the sandbox is to Stripe, measured with what Stripe itself publishes, and what memberd makes
// of events that come in the worst order. docs/sandbox.md says what each part checks.

import { fixtures } from './fixtures.mjs'
import { localstripe } from './localstripe.mjs'
import { order } from './order.mjs'
import { cleanUp } from './processes.mjs'
import { conclude } from './report.mjs'
import { sdks } from './sdks.mjs'
import { signatures } from './signatures.mjs'
import { types } from './types.mjs'

const tools = {
  python: process.env.FIDELITY_PYTHON,
  localstripe: process.env.FIDELITY_LOCALSTRIPE,
  fixtures: process.env.STRIPE_FIXTURES,
}
const PARTS = ['objects', 'signatures', 'order', 'localstripe']

const wanted = process.argv.slice(2)
const unknown = wanted.find((part) => !PARTS.includes(part))
if (unknown) {
  console.error(`error: there is no part ${unknown}: there are ${PARTS.join(', ')}`)
  process.exit(2)
}
const runs = (part) => wanted.length === 0 || wanted.includes(part)

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => cleanUp(false).then(() => process.exit(130)))

let code = 1
try {
  if (runs('objects')) {
    const { node } = await sdks(tools)
    await types([node])
    await fixtures([node], tools.fixtures)
  }
  if (runs('signatures')) await signatures(tools)
  if (runs('order')) await order()
  if (runs('localstripe')) await localstripe(tools)
  code = conclude()
} catch (error) {
  console.error(`\nerror: ${error.stack}`)
} finally {
  await cleanUp(code !== 0)
}
process.exit(code)
