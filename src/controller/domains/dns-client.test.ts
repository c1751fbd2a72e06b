// SPDX-License-Identifier: Apache-2.0

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import t, { type Test } from "tap";
import { dnsClient } from "./dns-client.ts";

/** The server's answer to a question: a code and records, each with its TTL; `cut`: TC over UDP; undefined: no answer. */
type Reply = { readonly code?: number; readonly records?: readonly Resource[]; readonly cut?: boolean } | undefined;
type Resource = { readonly name: string; readonly type: number; readonly ttl: number; readonly data: Buffer };

const A = 1;
const CNAME = 5;

function nameBytes(name: string): Buffer {
  const labels = name.split(".").map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  return Buffer.concat([...labels, Buffer.from([0])]);
}

/** RFC 1035 §4.1: the question, and the records. */
function respond(question: Buffer, reply: NonNullable<Reply>, udp: boolean): Buffer {
  let end = 12;
  while ((question[end] ?? 0) !== 0) end += (question[end] ?? 0) + 1;
  const asked = question.subarray(12, end + 5);
  const cut = udp && reply.cut === true;
  const records = cut ? [] : (reply.records ?? []);
  const header = Buffer.alloc(12);
  question.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8180 | (cut ? 0x0200 : 0) | (reply.code ?? 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  const bodies = records.map(({ name, type, ttl, data }) => {
    const fixed = Buffer.alloc(10);
    fixed.writeUInt16BE(type, 0);
    fixed.writeUInt16BE(1, 2);
    fixed.writeUInt32BE(ttl, 4);
    fixed.writeUInt16BE(data.length, 8);
    return Buffer.concat([nameBytes(name), fixed, data]);
  });
  return Buffer.concat([header, asked, ...bodies]);
}

/** A DNS server on the loopback, over UDP and TCP of one port. */
async function server(t: Test, replyTo: (name: string, type: number) => Reply): Promise<readonly string[]> {
  const answer = (question: Buffer, udp: boolean): Buffer | undefined => {
    const labels: string[] = [];
    let at = 12;
    for (let length = question[at] ?? 0; length > 0; length = question[at] ?? 0) {
      labels.push(question.toString("latin1", at + 1, at + 1 + length));
      at += length + 1;
    }
    const reply = replyTo(labels.join(".").toLowerCase(), question.readUInt16BE(at + 1));
    return reply && respond(question, reply, udp);
  };
  const tcp = createServer((socket) => {
    socket.on("data", (data) => {
      const body = answer(data.subarray(2), false);
      if (body === undefined) return;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(body.length);
      socket.end(Buffer.concat([length, body]));
    });
  });
  tcp.listen(0, "127.0.0.1");
  await once(tcp, "listening");
  const { port } = tcp.address() as { port: number };
  const udp = createSocket("udp4");
  udp.bind(port, "127.0.0.1");
  await once(udp, "listening");
  udp.on("message", (data, from) => {
    const body = answer(data, true);
    if (body !== undefined) udp.send(body, from.port, from.address);
  });
  t.teardown(() => {
    udp.close();
    tcp.close();
  });
  return [`127.0.0.1:${port}`];
}

const address = (name: string, ttl: number, ...bytes: number[]): Resource => ({
  name,
  type: A,
  ttl,
  data: Buffer.from(bytes),
});

t.test("addresses have the shortest TTL along a chain of aliases", async (t) => {
  const records = [
    { name: "www.test", type: CNAME, ttl: 7, data: nameBytes("edge.test") },
    address("edge.test", 300, 192, 0, 2, 1),
    address("edge.test", 300, 192, 0, 2, 2),
  ];
  const servers = await server(t, (name, type) => (name === "www.test" && type === A ? { records } : {}));
  const client = dnsClient(500);
  const found = await client.ask(servers, "www.test", 4);
  t.equal(found.kind, "addresses");
  const addresses = found.kind === "addresses" ? [...found.addresses] : [];
  t.same(addresses.map((one) => one.address).sort(), ["192.0.2.1", "192.0.2.2"]);
  t.same(
    addresses.map(({ ttl }) => ttl),
    [7, 7],
  );
  t.same(
    await client.ask(servers, "www.test", 6),
    { kind: "addresses", addresses: [] },
    "it has none of the other family",
  );
});

t.test("a missing name is an answer; a server that fails or does not answer gives none", async (t) => {
  const codes: Record<string, number> = { "none.test": 3, "broken.test": 2, "refused.test": 5 };
  const servers = await server(t, (name) => (name === "silent.test" ? undefined : { code: codes[name] ?? 0 }));
  const client = dnsClient(100);
  t.same(await client.ask(servers, "none.test", 4), { kind: "no-name" });
  for (const name of ["broken.test", "refused.test", "silent.test"])
    t.match(await client.ask(servers, name, 4), { kind: "failed", reason: String }, name);
  t.match(await client.ask([], "any.test", 4), { kind: "failed" });
  t.match(await client.ask(["nonsense"], "any.test", 4), { kind: "failed" });
});

t.test("every question is sent: answers are not cached", async (t) => {
  let asked = 0;
  const servers = await server(t, () => ({ records: [address("a.test", 300, 192, 0, 2, ++asked)] }));
  const client = dnsClient(500);
  for (const expected of ["192.0.2.1", "192.0.2.2"])
    t.match(await client.ask(servers, "a.test", 4), { addresses: [{ address: expected }] });
});

t.test("an answer that is too long for a datagram is requested over TCP", async (t) => {
  const records = Array.from({ length: 100 }, (_, i) => address("many.test", 60, 198, 51, 100, i));
  const servers = await server(t, () => ({ records, cut: true }));
  const found = await dnsClient(500).ask(servers, "many.test", 4);
  t.equal(found.kind === "addresses" && found.addresses.length, 100);
});
