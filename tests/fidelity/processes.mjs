// The programs under test, each on a free port of its own, ended with this one.

import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const READY_MS = 30_000
const LOOK_MS = 50
const memberd = process.env.FIDELITY_MEMBERD
const started = []
/** Nothing of the caller's: memberd reads its configuration from variables too, and refuses those that it does not know. */
const environment = { PATH: process.env.PATH, HOME: process.env.HOME }

/** Where the logs and databases of this run are; it vanishes unless something deviates. */
export const folder = mkdtempSync(join(tmpdir(), 'memberd-fidelity-'))

export const pause = (ms) => new Promise((done) => setTimeout(done, ms))

/** Asks until the answer is true (or anything like it), or fails after the deadline. */
export async function until(what, probe, patience = READY_MS) {
  const deadline = Date.now() + patience
  for (;;) {
    const found = await probe()
    if (found) return found
    if (Date.now() > deadline) throw new Error(`never came in ${patience / 1000} s: ${what} (logs: ${folder})`)
    await pause(LOOK_MS)
  }
}

export function freePort() {
  return new Promise((done, fail) => {
    const server = createServer()
    server.on('error', fail)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => done(port))
    })
  })
}

/** Starts a program whose words go to a log; it is ready when the address answers. */
export async function start(name, command, args, address) {
  const log = join(folder, `${name}.log`)
  const out = openSync(log, 'a')
  const child = spawn(command, args, { stdio: ['ignore', out, out], cwd: folder, env: environment })
  let failed = ''
  child.on('error', (error) => { failed = error.message })
  child.on('exit', (code, signal) => { failed ||= `it ended with ${code ?? signal}` })
  const told = { child, log, stopping: false }
  started.push(told)
  await until(`${name} at ${address}`, async () => {
    if (failed) throw new Error(`${name}: ${failed}\n${readFileSync(log, 'utf8').slice(-2_000)}`)
    return fetch(address).then((answer) => answer.status < 500, () => false)
  })
  return told
}

/** Runs a program to its end. This one goes on meanwhile, for it may be what the other one waits for. */
export function finished(command, args, options) {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    const told = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => { told[name] += text })
    child.on('error', fail).on('close', (status) => done({ status, ...told }))
  })
}

/** Ends one program and waits for its end. */
export async function stop({ child }) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((done) => child.once('exit', done))
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), 15_000)
  await gone
  clearTimeout(late)
}

/** Ends what still runs, and takes the folder away if all went well. */
export async function cleanUp(keep) {
  for (const one of started.toReversed()) await stop(one)
  if (keep) console.log(`logs and databases are kept in ${folder}`)
  else rmSync(folder, { recursive: true, force: true })
}

/** A JSON request to an inspector or to memberd. */
export async function ask(method, url, body, headers = {}) {
  const options = { method, headers }
  if (body !== undefined) {
    options.body = typeof body === 'string' ? body : JSON.stringify(body)
    headers['content-type'] ??= 'application/json'
  }
  const answer = await fetch(url, options)
  const text = await answer.text()
  let json
  try { json = JSON.parse(text) } catch { json = text }
  return { status: answer.status, headers: answer.headers, json }
}

/** The sandbox that memberd ships, standing still at a second so that the same requests make the same world. */
export async function sandbox(name, options = ['--frozen-at', '1790000000']) {
  const port = await freePort()
  const base = `http://127.0.0.1:${port}`
  const args = ['sandbox', '--listen', `127.0.0.1:${port}`, ...options]
  const process = await start(name, memberd, args, `${base}/healthz`)
  const look = async (path) => (await ask('GET', base + path)).json
  const tell = async (path, body) => (await ask('POST', base + path, body)).json
  return { base, port, look, tell, process }
}

/** memberd itself on an empty database. */
export async function daemon(name, { api, key = 'sk_test_sandbox', secrets = ['whsec_fidelity'], account }) {
  const home = join(folder, name)
  mkdirSync(home)
  const port = await freePort()
  const config = join(home, 'memberd.toml')
  const text = `[server]
listen = "127.0.0.1:${port}"
[database]
url = "sqlite:${join(home, 'memberd.db')}"
[log]
filter = "info,memberd=debug,memberd_jobs=debug"
[stripe]
secret_key = "${key}"
webhook_secrets = ${JSON.stringify(secrets)}
api_base = "${api}/"
rate_limit = 1000
${account ? `account = "${account}"\n` : ''}`
  writeFileSync(config, text)
  const run = (...args) => finished(memberd, [...args, '--config', config], { cwd: home, env: environment })
  const migrated = await run('migrate', 'up')
  const made = await run('keys', 'create', 'fidelity', '--scopes', 'all', '--unlimited')
  const token = /mbd_test_\S+/.exec(made.stdout)?.[0]
  if (!token) throw new Error(`memberd made no key:\n${migrated.stderr}${made.stdout}${made.stderr}`)
  const base = `http://127.0.0.1:${port}`
  const process = await start(name, memberd, ['serve', '--config', config], `${base}/readyz`)
  const get = (path) => ask('GET', base + path, undefined, { authorization: `Bearer ${token}` })
  const post = (path, body) => ask('POST', base + path, body, { authorization: `Bearer ${token}` })
  const idle = async () => {
    const done = await run('jobs', 'wait', '--idle', '--timeout', '1m')
    if (done.status !== 0) throw new Error(`jobs are left:\n${done.stdout}${done.stderr}`)
  }
  return { base, get, post, idle, run, process, webhook: `${base}/webhooks/stripe` }
}
