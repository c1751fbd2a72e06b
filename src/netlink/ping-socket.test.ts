// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { setLink } from "./links.ts";
import { openPingSocket } from "./ping-socket.ts";
import { writeSysctl } from "./sysctl.ts";
import { throwsCode } from "./testing/codec-checks.ts";
import { newNetns, noKernel } from "./testing/netns.ts";
import { withNetns } from "./with-netns.ts";

const skip = noKernel();
const RANGE = ["ipv4", "ping_group_range"];

/** A namespace whose loopback interface is up, and in which these groups may open ping sockets. */
async function namespace(t: Test, groups: string): Promise<string> {
  const path = await newNetns(t);
  withNetns(path, (ns) => {
    setLink(ns.netlink, 1, { up: true });
    writeSysctl(ns, RANGE, groups);
  });
  return path;
}

t.test("an echo request comes back with its sequence number and payload, in both families", { skip }, async (t) => {
  const path = await namespace(t, "0 0");
  for (const [family, address, other] of [
    [4, "127.0.0.1", "::1"],
    [6, "::1", "127.0.0.1"],
  ] as const) {
    const reply = Promise.withResolvers<readonly [number, string]>();
    const socket = withNetns(path, () =>
      openPingSocket(family, (sequence, payload) => reply.resolve([sequence, payload.toString()])),
    );
    socket.send(address, 65_535, Buffer.from("weft"));
    t.same(await reply.promise, [65_535, "weft"], address);
    throwsCode(t, () => socket.send(other, 1, Buffer.alloc(0)), "invalid");
    throwsCode(t, () => socket.send(family === 4 ? "192.0.2.1" : "2001:db8::1", 1, Buffer.alloc(0)), "unreachable");
    socket.close();
    socket.close();
  }
});

t.test("a process whose group may not open ping sockets gets an error that says so", { skip }, async (t) => {
  const path = await namespace(t, "1 0");
  throwsCode(t, () => withNetns(path, () => openPingSocket(4, () => undefined)), "permission");
});
