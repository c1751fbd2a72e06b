// SPDX-License-Identifier: Apache-2.0

// The network outside the cluster: answers each HTTP request with the client's address as seen here, so that a test
// can check whether and how its source was translated. Run in `ext` with addresses as arguments: echo.ts PORT
// ADDRESS…
import { createServer } from "node:http";

const [port = "80", ...addresses] = process.argv.slice(2);
for (const address of addresses) {
  const server = createServer((request, response) => {
    const client = request.socket.remoteAddress ?? "";
    if (request.url === "/json") {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ address: client, port: request.socket.remotePort, server: address }));
    } else {
      response.setHeader("content-type", "text/plain");
      response.end(`${client}\n`);
    }
  });
  server.listen(Number(port), address);
}
