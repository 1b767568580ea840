// What the checks say: one line a section while it runs, every deviation in full, and a count at the end.

const counts = { passed: 0, failed: 0 }
const live = process.stdout.isTTY

/** A part of the run. Its checks are counted; deviations are told at once. */
export class Section {
  constructor(title) {
    this.title = title
    this.passed = 0
    this.deviations = []
    this.begun = Date.now()
    if (!live) console.log(`--- ${title}`)
  }

  /** Notes one check: `wrong` is empty when all is well, and says what is wrong otherwise. */
  note(name, wrong = '') {
    if (wrong) {
      this.deviations.push(name)
      if (live) process.stdout.write('\r\x1b[K')
      console.log(`    DEVIATION ${name}\n        ${String(wrong).replaceAll('\n', '\n        ')}`)
    } else {
      this.passed += 1
    }
    if (live) process.stdout.write(`\r\x1b[K--- ${this.title}: ${this.passed} (${name.slice(0, 60)})`)
  }

  /** Notes whether what came is what was expected, as JSON. */
  same(name, got, wanted) {
    const [is, should] = [JSON.stringify(got), JSON.stringify(wanted)]
    this.note(name, is === should ? '' : `got ${is}, expected ${should}`)
  }

  /** Ends the part. One without a single check has checked nothing, which is a deviation too. */
  end(more = '') {
    if (this.passed + this.deviations.length === 0) this.note('the part itself', 'nothing was checked')
    counts.passed += this.passed
    counts.failed += this.deviations.length
    if (live) process.stdout.write('\r\x1b[K')
    const seconds = `${((Date.now() - this.begun) / 1000).toFixed(1)} s`
    const failed = this.deviations.length ? `, ${this.deviations.length} DEVIATIONS` : ''
    console.log(`${live ? `--- ${this.title}: ` : '    '}${this.passed} checks passed${failed}; ${more && `${more}; `}${seconds}`)
  }
}

/** The last line, and the exit code. */
export function conclude() {
  const all = counts.passed + counts.failed
  if (counts.failed) console.log(`\n${counts.failed} of ${all} checks found a deviation`)
  else console.log(`\nall ${all} checks passed`)
  return counts.failed ? 1 : 0
}
