// Some tests take many seconds of both cores: for CI (`.ci/run`) and for whoever changes what they are about.

/** A test's `skip` option: false where `MESHD_TESTS=all` is set. */
export function skipUnlessAll(): string | false {
  return process.env.MESHD_TESTS === 'all' ? false : 'only with MESHD_TESTS=all'
}

/** How often a test tries its chance: `few` times, or `all` where `MESHD_TESTS=all` is set. */
export function rounds(few: number, all: number): number {
  return skipUnlessAll() === false ? all : few
}
