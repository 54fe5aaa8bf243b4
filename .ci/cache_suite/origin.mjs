// The suite's origin, on a free port of the loopback interface: its own program listens on every address.
import http from 'http'
import path from 'path'
import { pathToFileURL } from 'url'

const folder = process.argv[2]
const listen = http.Server.prototype.listen
http.Server.prototype.listen = function () { return listen.call(this, 0, '127.0.0.1') }
Object.assign(process.env, {
  npm_config_protocol: 'http', npm_config_port: '0', npm_config_pidfile: path.join(folder, 'origin.pid')
})
await import(pathToFileURL(path.join(folder, 'node_modules/http-cache-tests/server/server.mjs')))
