// The bare HTTP server of both engines.
const http = require('node:http')

/** Answers each request once `answer(url, body, headers)` has done its work, with 400 where it fails. */
exports.serve = (port, answer) => {
  http.createServer((request, response) => {
    const parts = []
    request.on('data', (part) => parts.push(part))
    request.on('end', () => {
      answer(request.url, Buffer.concat(parts), request.headers).then(
        () => response.end('{}'),
        (error) => { response.statusCode = 400; response.end(String(error)) },
      )
    })
  }).listen(port, '127.0.0.1')
}
