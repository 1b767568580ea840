// The reviewed differences between the sandbox and Stripe, from differences.json.

import { readFileSync } from 'node:fs'

const all = JSON.parse(readFileSync(new URL('differences.json', import.meta.url), 'utf8'))

/** Those that one part of the run may find. Each must be found, so that the file stays true. */
export class Known {
  constructor(part) {
    this.list = all.filter((one) => one.part === part).map((one) => ({ ...one, found: 0 }))
  }

  /** Whether what was found about a kind of objects is known; `text` must contain what the file says. */
  covers(kind, text) {
    const fitting = this.list.find((one) => one.object === kind && text.includes(one.says))
    if (fitting) fitting.found += 1
    return Boolean(fitting)
  }

  unused() {
    return this.list.filter((one) => !one.found).map((one) => `${one.part}: ${one.object}: ${one.says}`)
  }
}
