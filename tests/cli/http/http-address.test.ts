import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isHostAllowed } from '../../../cli/http/host-check.ts'
import { parseHttpPlace } from '../../../cli/http/http-address.ts'

test('a port alone is on this machine alone', () => {
  assert.deepEqual(parseHttpPlace('9100', '--http'), { kind: 'own', host: '127.0.0.1', port: 9100 })
  assert.deepEqual(parseHttpPlace(':0', '--http'), { kind: 'own', host: '127.0.0.1', port: 0 })
})

test('any address can be named, or the port of the mesh', () => {
  assert.deepEqual(parseHttpPlace('0.0.0.0:80', '--http'), { kind: 'own', host: '0.0.0.0', port: 80 })
  assert.deepEqual(parseHttpPlace('[::1]:80', '--http'), { kind: 'own', host: '::1', port: 80 })
  assert.deepEqual(parseHttpPlace('box.lan:65535', '--http'), { kind: 'own', host: 'box.lan', port: 65_535 })
  assert.deepEqual(parseHttpPlace('same', '--http'), { kind: 'same' })
})

test('what is no address is refused, with the place where it stands', () => {
  for (const text of ['', 'x', '65536', '1.2.3.4', '::1', '::1:80', 'a b:1', 'http://x:1', ':', '01']) {
    assert.throws(() => parseHttpPlace(text, 'MESHD_HTTP'), { code: 'usage', message: /MESHD_HTTP/ }, text)
  }
})

test('from this machine only an IP address or localhost is a Host', () => {
  const ends = [
    { remote: '127.0.0.1', local: '127.0.0.1' },
    { remote: '127.8.9.1', local: '127.8.9.1' },
    { remote: '::1', local: '::1' },
    { remote: '::ffff:127.0.0.1', local: '::ffff:127.0.0.1' },
    { remote: '192.168.1.7', local: '192.168.1.7' },
  ]
  for (const here of ends) {
    for (const host of ['localhost', 'localhost:80', '127.0.0.1:80', '[::1]', '[::1]:80', '10.0.0.1'])
      assert.ok(isHostAllowed(host, here), host)
    for (const host of [undefined, '', 'evil.example', 'evil.example:80', '[evil]', 'localhost@evil:80'])
      assert.ok(!isHostAllowed(host, here), String(host))
  }
  assert.ok(isHostAllowed('meshd.lan:9100', { remote: '192.168.1.8', local: '192.168.1.7' }))
})
