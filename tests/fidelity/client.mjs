// Plays the scenario with Stripe's SDK for Node: `node client.mjs BASE < scenario.json`. One JSON line a step.

import { readFileSync } from 'node:fs'
import Stripe from 'stripe'

const base = new URL(process.argv[2])
const steps = JSON.parse(readFileSync(0, 'utf8'))
const saved = {}
const stripe = new Stripe('sk_test_sandbox', {
  host: base.hostname, port: base.port, protocol: 'http', maxNetworkRetries: 0, telemetry: false,
})

const camel = (word) => word.replace(/_(.)/g, (_, letter) => letter.toUpperCase())
const at = (value, path) => path.split('.').reduce((inner, name) => inner?.[name], value)

/** Headers have dots in no name, so the rest of a path behind `headers` is one. */
function lookUp(path) {
  const [name, ...rest] = path.split('.')
  if (!(name in saved)) throw new Error(`nothing is saved as ${name}`)
  return rest[0] === 'headers' ? saved[name].headers[rest[1]] : at(saved[name].object, rest.join('.'))
}

function filled(value) {
  if (typeof value === 'string' && value.startsWith('$')) return lookUp(value.slice(1))
  if (Array.isArray(value)) return value.map(filled)
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, filled(inner)]))
  return value
}

/** What is wrong with a value, empty when nothing is. */
function wrong(path, got, wanted) {
  if (typeof wanted === 'string' && wanted.startsWith('~')) {
    return typeof got === wanted.slice(1) ? '' : `${path} is ${JSON.stringify(got)}, expected some ${wanted.slice(1)}`
  }
  const should = filled(wanted)
  // What is not there is written null, because JSON has no word for it.
  const [is, must] = [JSON.stringify(got ?? null), JSON.stringify(should ?? null)]
  return is === must ? '' : `${path} is ${is}, expected ${must}`
}

const options = ({ key, apiKey, account, retries } = {}) => Object.fromEntries(Object.entries({
  idempotencyKey: key, apiKey, stripeAccount: account, maxNetworkRetries: retries,
}).filter(([, value]) => value !== undefined))

async function run(step) {
  if (step.inspect) {
    const answer = await fetch(base.origin + step.path, { method: step.inspect, body: JSON.stringify(filled(step.body)) })
    return answer.ok ? [] : [`the inspector answered ${answer.status}: ${await answer.text()}`]
  }
  const names = step.call.split('.').map(camel)
  const method = names.pop().replace(/^delete$/, 'del')
  const resource = names.reduce((inner, name) => inner[name], stripe)
  const given = filled(step.params ?? {})
  const name = resource[method] ? method : 'delete'
  const answer = resource[name](...(step.ids ?? []).map(filled), given, options(step.options))
  if (step.error) return answer.then(() => ['it was not refused'], (error) => faults(step.error, error))
  const object = await (step.all ? whole(answer) : answer)
  const headers = object.lastResponse?.headers ?? {}
  if (step.save) saved[step.save] = { object, headers }
  return [
    ...Object.entries(step.expect ?? {}).map(([path, wanted]) => wrong(path, at(object, path), wanted)),
    ...Object.entries(step.headers ?? {}).map(([name, wanted]) => wrong(`the header ${name}`, headers[name], wanted)),
    ...(step.all ? [] : usual(headers)),
  ].filter(Boolean)
}

/** What every answer carries. */
function usual(headers) {
  return [
    wrong('the header stripe-version', headers['stripe-version'], Stripe.API_VERSION ?? stripe.getApiField('version')),
    headers['request-id']?.startsWith('req_') ? '' : `the header request-id is ${headers['request-id']}`,
    headers.date ? '' : 'there is no header date',
  ]
}

async function whole(list) {
  const ids = []
  for await (const { id } of list) ids.push(id)
  const repeated = ids.length - new Set(ids).size
  if (repeated) throw new Error(`${repeated} ids came twice`)
  return { count: ids.length, first: ids[0], last: ids.at(-1) }
}

function faults(wanted, error) {
  const got = {
    status: error.statusCode, class: error.constructor.name, type: error.rawType, code: error.code, param: error.param,
    message: error.message, decline_code: error.decline_code,
  }
  const { headers, ...fields } = wanted
  return [
    ...Object.entries(fields).map(([name, should]) => wrong(`${name} of the error`, got[name], should)),
    ...Object.entries(headers ?? {}).map(([name, should]) => wrong(`the header ${name}`, error.headers?.[name], should)),
    error.requestId?.startsWith('req_') ? '' : `the error's request id is ${error.requestId}`,
  ].filter(Boolean)
}

for (const step of steps) {
  const found = await run(step).catch((error) => [`${error.constructor.name}: ${error.message}`])
  console.log(JSON.stringify({ name: step.name, wrong: found.join('\n') }))
}
// The timers of answers that were lost on purpose would keep the process for a minute.
process.stdout.write('', () => process.exit(0))
