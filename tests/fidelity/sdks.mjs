// Stripe's own SDKs as clients: the same scenario by each, on a sandbox of its own, must end in the same world.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { sandbox } from './processes.mjs'
import { Section } from './report.mjs'
import scenario from './scenario.mjs'

const script = (name) => fileURLToPath(new URL(name, import.meta.url))

export const KINDS = ['customer', 'product', 'price', 'subscription', 'invoice', 'event', 'coupon', 'promotion_code', 'payment_method',
  'subscription_schedule', 'invoice_payment', 'charge', 'refund', 'checkout.session']

/** Every object of a kind, deleted ones included. */
export async function truth(world, kind) {
  const data = []
  for (let after = ''; ;) {
    const page = await world.look(`/stripe/truth?type=${kind}&limit=10000${after}`)
    data.push(...page.data)
    if (!page.has_more) return data
    after = `&after=${page.next}`
  }
}

async function play(section, world, command, args) {
  const child = spawn(command, [...args, world.base], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise((done, fail) => child.on('error', fail).on('exit', done))
  child.stdin.end(JSON.stringify(scenario))
  let steps = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const { name, wrong } = JSON.parse(line)
    section.note(name, wrong)
    steps += 1
  }
  section.same('it ends in order', await ended, 0)
  section.same('every step was played', steps, scenario.length)
}

/** Answers the two sandboxes. */
export async function sdks({ python }) {
  const worlds = {}
  for (const [name, title, command, args] of [
    ['node', "Stripe's SDK for Node", process.execPath, [script('client.mjs')]],
    ['python', "Stripe's SDK for Python", python, [script('client.py')]],
  ]) {
    const section = new Section(title)
    worlds[name] = await sandbox(`sandbox-${name}`)
    await play(section, worlds[name], command, args)
    const log = await worlds[name].look('/stripe/log?limit=0')
    section.end(`${log.total} requests`)
  }
  const section = new Section('both SDKs leave the same world')
  let objects = 0
  for (const kind of KINDS) {
    const [node, python] = await Promise.all([truth(worlds.node, kind), truth(worlds.python, kind)])
    objects += node.length
    section.same(`the number of objects of type ${kind}`, node.length, python.length)
    node.forEach((object, at) => section.same(`${kind} ${at}`, comparable(object, worlds.node), comparable(python[at], worlds.python)))
  }
  section.end(`${objects} objects`)
  return worlds
}

/** Without the idempotency keys that the SDKs make up, and without the port in the addresses of checkout pages. */
function comparable(object, world) {
  const same = JSON.parse(JSON.stringify(object ?? null).replaceAll(world.base, 'http://sandbox'))
  if (same?.object === 'event' && same.request?.idempotency_key) same.request.idempotency_key = 'some'
  return same
}
