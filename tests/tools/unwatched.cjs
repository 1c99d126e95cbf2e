// node:test watches every promise of a process, to tell which test an error belongs to that nobody caught. Networks in
// virtual time make millions of promises, and take a third longer by that. Required before node:test is loaded, this
// gives it a hook that watches nothing. Such an error still fails the run, and its stack is printed, only not under the name
// of its test. What a test throws or rejects with is that test's failure as ever.
const hooks = require('node:async_hooks')

const { createHook } = hooks
hooks.createHook = (callbacks) => createHook(/node:internal\/test_runner/.test(new Error().stack) ? {} : callbacks)

const tell = (error) => console.error('nobody caught:', error)
process.on('uncaughtExceptionMonitor', tell)
process.on('unhandledRejection', tell)
