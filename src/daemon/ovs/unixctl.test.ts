// SPDX-License-Identifier: Apache-2.0

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { vswitchdControl } from "./unixctl.ts";

/** A folder with the socket of a process that answers `reply` in two pieces, or closes the connection. */
async function folder(t: Test, reply: (request: string) => string | undefined): Promise<string> {
  // A path of a socket has 107 characters at most.
  const path = mkdtempSync(join(tmpdir(), "weft-control-"));
  writeFileSync(join(path, "ovs-vswitchd.pid"), "77\n");
  const server = createServer((socket) => {
    // The client may have disconnected before the answer.
    socket.on("error", () => undefined);
    socket.once("data", (chunk) => {
      const answer = reply(String(chunk));
      if (answer === undefined) socket.destroy();
      else {
        socket.write(answer.slice(0, 5));
        setImmediate(() => socket.write(answer.slice(5)));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(join(path, "ovs-vswitchd.77.ctl"), resolve));
  t.teardown(() => {
    server.close();
    rmSync(path, { recursive: true });
  });
  return path;
}

t.test("a command is a JSON-RPC request, and its text is the result", async (t) => {
  const asked: unknown[] = [];
  const path = await folder(t, (request) => {
    asked.push(JSON.parse(request));
    return '{"id":0,"result":"done\\n","error":null}';
  });
  t.equal(await vswitchdControl(path)("dpctl/flush-conntrack", "netdev@ovs-netdev", "ct_nw_proto=17"), "done\n");
  t.same(asked, [{ id: 0, method: "dpctl/flush-conntrack", params: ["netdev@ovs-netdev", "ct_nw_proto=17"] }]);
});

t.test("an error in the answer differs from no answer", async (t) => {
  const refusing = await folder(t, () => '{"id":0,"result":null,"error":"unknown command\\n"}');
  await t.rejects(vswitchdControl(refusing)("x"), { code: "refused", message: "ovs-vswitchd, x: unknown command" });
  const dying = await folder(t, () => undefined);
  await t.rejects(vswitchdControl(dying)("x"), { code: "unreachable", message: /was closed before the answer|ECONN/ });
  const malformed = await folder(t, () => "no JSON");
  await t.rejects(vswitchdControl(malformed)("x"), { code: "unreachable" });
  const silent = await folder(t, () => "{");
  await t.rejects(vswitchdControl(silent, 20)("x"), { code: "unreachable" });
  writeFileSync(join(silent, "ovs-vswitchd.pid"), "78");
  await t.rejects(vswitchdControl(silent)("x"), { code: "unreachable", message: /ENOENT/ });
  await t.rejects(vswitchdControl(t.testdir({}))("x"), { code: "unreachable", message: /ENOENT/ });
});
