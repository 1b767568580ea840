// Signatures, both ways and by both SDKs: what the sandbox sends must please them, what they sign must please memberd.

import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import Stripe from 'stripe'
import { daemon, freePort, sandbox, stop, until } from './processes.mjs'
import { Section } from './report.mjs'

const SECRET = 'whsec_fidelity_new'
const OLD_SECRET = 'whsec_fidelity_old'
const WRONG_SECRET = 'whsec_somebody_else'
const TOLERANCE = 300

const node = {
  verify: (payload, header, secret) => {
    try {
      return { id: Stripe.webhooks.constructEvent(payload, header, secret).id }
    } catch (error) {
      return { refused: error.message }
    }
  },
  sign: (payload, secret, timestamp) => Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp }),
  end: () => {},
}

function pythonSdk(command) {
  const child = spawn(command, [fileURLToPath(new URL('signatures.py', import.meta.url))], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const asked = async (request) => {
    child.stdin.write(`${JSON.stringify(request)}\n`)
    const { value, done } = await lines.next()
    if (done) throw new Error('signatures.py ended')
    return JSON.parse(value)
  }
  return {
    verify: (payload, header, secret) => asked({ payload, header, secret }),
    sign: async (payload, secret, timestamp) => (await asked({ payload, secret, timestamp })).header,
    end: () => child.stdin.end(),
  }
}

/** What a receiver gets. */
async function receiver() {
  const got = []
  const server = createServer((request, response) => {
    const parts = []
    request.on('data', (part) => parts.push(part)).on('end', () => {
      got.push({ header: request.headers['stripe-signature'], payload: Buffer.concat(parts).toString('utf8') })
      response.end('{}')
    })
  })
  const port = await freePort()
  await new Promise((done) => server.listen(port, '127.0.0.1', done))
  return { got, url: `http://127.0.0.1:${port}/hook`, end: () => server.close() }
}

async function sent(section, sdks) {
  const world = await sandbox('sandbox-signatures')
  const hook = await receiver()
  await world.tell('/stripe/webhook_endpoints', { url: hook.url, secret: SECRET })
  await world.tell('/stripe/world', { seed: 3, members: 5 })
  const { planned } = await world.look('/stripe/deliveries')
  await until('all webhooks', () => hook.got.length >= planned)
  for (const [name, sdk] of Object.entries(sdks)) {
    for (const { header, payload } of hook.got) {
      const { id, type } = JSON.parse(payload)
      const is = await sdk.verify(payload, header, SECRET)
      section.note(`${name} takes ${type} ${id}`, is.id === id ? '' : JSON.stringify(is))
    }
    const [{ header, payload }] = hook.got
    for (const [what, ...given] of [
      ['another secret', payload, header, WRONG_SECRET],
      ['a changed body', payload.replace('"livemode":false', '"livemode":true'), header, SECRET],
      ['another time', payload, header.replace(/^t=\d+/, 't=1'), SECRET],
    ]) {
      section.note(`${name} refuses ${what}`, (await sdk.verify(...given)).refused ? '' : 'it was taken')
    }
  }
  hook.end()
  return { world, event: JSON.parse(hook.got[0].payload) }
}

async function taken(section, sdks, { world, event }) {
  const memberd = await daemon('memberd-signatures', { api: world.base, secrets: [SECRET, OLD_SECRET] })
  let number = 0
  for (const [name, sdk] of Object.entries(sdks)) {
    const now = Math.floor(Date.now() / 1000)
    const fresh = () => JSON.stringify({ ...event, id: `evt_fidelity_${name.replace(/\W/g, '')}${(number += 1)}` })
    const signed = async (secret, timestamp = now) => {
      const payload = fresh()
      return [payload, await sdk.sign(payload, secret, timestamp)]
    }
    const twice = fresh()
    const both = `${await sdk.sign(twice, WRONG_SECRET, now)},${(await sdk.sign(twice, SECRET, now)).split(',')[1]}`
    const changed = await signed(SECRET)
    for (const [what, status, [payload, header]] of [
      ['the new secret', 200, await signed(SECRET)],
      ['the old secret while it is rotated', 200, await signed(OLD_SECRET)],
      ['two signatures, ours the second', 200, [twice, both]],
      ['a time within the tolerance', 200, await signed(SECRET, now - TOLERANCE + 30)],
      ['a secret nobody knows', 400, await signed(WRONG_SECRET)],
      ['a time that is over', 400, await signed(SECRET, now - TOLERANCE - 30)],
      ['a time that is far ahead', 400, await signed(SECRET, now + TOLERANCE + 60)],
      ['a body that was changed', 400, [changed[0].replace('"livemode":false', '"livemode":true'), changed[1]]],
      ['no signature', 400, [fresh(), '']],
    ]) {
      const answer = await fetch(memberd.webhook, {
        method: 'POST', body: payload, headers: { 'content-type': 'application/json', ...(header && { 'stripe-signature': header }) },
      })
      section.same(`memberd, signed by ${name}: ${what}`, answer.status, status)
    }
  }
  await memberd.idle()
  await stop(memberd.process)
}

export async function signatures({ python }) {
  const section = new Section('signatures')
  const sdks = { 'the SDK for Node': node, 'the SDK for Python': pythonSdk(python) }
  await taken(section, sdks, await sent(section, sdks))
  Object.values(sdks).forEach((sdk) => sdk.end())
  section.end()
}
