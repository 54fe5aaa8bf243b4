// Runs the suite's tests against a cache and prints what became of each as one JSON object.
//
// The suite's own runner starts a hundred tests at once, which is a crowd to a site whose origin's strength is not learned yet. Here a few
// run at a time, so that the score is that of the calm state. With names of tests, those alone are run; a single one with its traffic shown.
import path from 'path'
import { pathToFileURL } from 'url'

const TOGETHER = 12
const [folder, base, ...only] = process.argv.slice(2)
const inside = file => import(pathToFileURL(path.join(folder, 'node_modules', file)))

const suites = (await inside('http-cache-tests/tests/index.mjs')).default
const config = await inside('http-cache-tests/client/config.mjs')
const { makeCacheTest, testResults } = await inside('http-cache-tests/client/test.mjs')
config.setFetch((await inside('node-fetch/lib/index.mjs')).default)
config.setBaseUrl(base)

const tests = suites.flatMap(suite => suite.tests.map(test => ({ ...test, suite: suite.id })))
  .filter(test => !test.browser_only && (only.length === 0 || only.includes(test.id)))
const waiting = tests.map(test => only.length === 1 ? { ...test, dump: true } : test)
const work = async () => { while (waiting.length) await makeCacheTest(waiting.shift()) }
await Promise.all(Array.from({ length: only.length ? 1 : TOGETHER }, work))

const kinds = Object.fromEntries(tests.map(test => [test.id, test]))
const passed = id => testResults[id] === true && (kinds[id].depends_on ?? []).every(other => !(other in kinds) || passed(other))
const results = tests.map(test => {
  const result = testResults[test.id]
  const ok = passed(test.id)
  const error = result === true ? (ok ? '' : 'Dependency') : result[0]
  return { id: test.id, suite: test.suite, kind: test.kind ?? 'required', ok, error, why: result === true ? '' : result[1] }
})
console.log(JSON.stringify(results))
