// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { z } from "zod";
import { createApi } from "./api.ts";
import { DockerEngine } from "./engine.ts";
import type { ContainerEndpoint, Host } from "./host.ts";
import { asKernelDatapath, showsAddresses } from "./kernel-view.ts";

/** A host that records what it is asked for, and runs commands on this machine. */
class FakeHost implements Host {
  readonly network = { name: "kind", subnets: [{ cidr: "172.18.0.0/24", gateway: "172.18.0.1" }] };
  readonly nodes = [1, 2].map((index) => ({
    name: `node-${index}`,
    role: index === 1 ? ("control-plane" as const) : ("worker" as const),
    endpoint: {
      id: "",
      device: "eth0",
      mac: `02:00:00:00:00:0${index}`,
      v4: { ip: `172.18.0.${10 + index}`, prefix: 24 },
    },
  }));
  readonly calls: (readonly unknown[])[] = [];
  failure: Error | undefined;

  async createNetwork(...args: readonly unknown[]): Promise<void> {
    this.calls.push(["createNetwork", ...args]);
  }
  async removeNetwork(...args: readonly unknown[]): Promise<void> {
    this.calls.push(["removeNetwork", ...args]);
  }
  async startContainer(name: string): Promise<void> {
    this.calls.push(["startContainer", name]);
  }
  async removeContainer(name: string): Promise<void> {
    this.calls.push(["removeContainer", name]);
  }
  async connect(key: string, port: string, container: string, { device, v4 }: ContainerEndpoint): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    this.calls.push(["connect", key, port, container, device, v4.ip]);
  }
  async disconnect(port: string): Promise<void> {
    this.calls.push(["disconnect", port]);
  }
  exec(_container: string, [program = "", ...args]: readonly string[], env: Readonly<Record<string, string>>) {
    return spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  }
  async close(): Promise<void> {}
}

interface Reply {
  readonly status: number;
  readonly json: unknown;
}

const identified = z.object({ Id: z.string() });
const state = z.object({ Running: z.boolean(), ExitCode: z.number() });

function idOf({ json }: Reply): string {
  return identified.parse(json).Id;
}

/** A client of the API on a socket of its own until the test's end. */
async function client(t: Test, host = new FakeHost()) {
  // Not in the test's own folder: paths of sockets have at most 107 bytes (unix(7)).
  const folder = await mkdtemp(join(tmpdir(), "weft-docker-"));
  const socketPath = join(folder, "docker.sock");
  const server = createApi(new DockerEngine(host, "weft"));
  server.listen(socketPath);
  await once(server, "listening");
  t.teardown(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });
  const call = async (method: string, path: string, body?: unknown): Promise<Reply> => {
    const sent = request({ socketPath, method, path: `/v1.47${path}` });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    return { status: response.statusCode ?? 0, json: text === "" ? undefined : JSON.parse(text) };
  };
  /** Both outputs and the exit code of a command. */
  const exec = async (container: string, cmd: readonly string[], env: readonly string[] = []) => {
    const id = idOf(await call("POST", `/containers/${container}/exec`, { Cmd: cmd, Env: env, AttachStdout: true }));
    const sent = request({
      socketPath,
      method: "POST",
      path: `/v1.47/exec/${id}/start`,
      headers: { Connection: "Upgrade", Upgrade: "tcp", "Content-Type": "application/json" },
    });
    sent.end(JSON.stringify({ Detach: false, Tty: false }));
    const [response, socket, head] = await once(sent, "upgrade");
    t.equal(response.statusCode, 101);
    const chunks: Buffer[] = [head];
    for await (const chunk of socket) chunks.push(chunk);
    const outputs = ["", "", ""];
    for (let rest = Buffer.concat(chunks); rest.length > 0; ) {
      const length = rest.readUInt32BE(4);
      outputs[rest.readUInt8(0)] += rest.toString("utf8", 8, 8 + length);
      rest = rest.subarray(8 + length);
    }
    const { Running, ExitCode } = state.parse((await call("GET", `/exec/${id}/json`)).json);
    t.equal(Running, false);
    return { stdout: outputs[1], stderr: outputs[2], code: ExitCode };
  };
  return { call, exec, host };
}

const network = {
  Name: "net",
  EnableIPv6: true,
  IPAM: { Config: [{ Subnet: "fc00:1:2:3::/64", Gateway: "fc00:1:2:3::1" }] },
};

t.test("nodes are containers with kind's labels, which a list selects by", async (t) => {
  const { call } = await client(t);
  const listed = z.array(z.object({ Names: z.array(z.string()) }));
  const list = async (filters: object) => {
    const { json } = await call("GET", `/containers/json?all=1&filters=${encodeURIComponent(JSON.stringify(filters))}`);
    return listed.parse(json).flatMap(({ Names }) => Names);
  };
  t.same(await list({ label: { "io.x-k8s.kind.cluster=weft": true } }), ["/node-1", "/node-2"]);
  t.same(await list({ label: ["io.x-k8s.kind.cluster", "io.x-k8s.kind.role=worker"] }), ["/node-2"]);
  t.same(await list({ label: { "io.x-k8s.kind.cluster=other": true } }), []);
  const { json } = await call("GET", "/containers/node-1/json");
  const endpoint = { IPAddress: "172.18.0.11", IPPrefixLen: 24, Gateway: "172.18.0.1" };
  t.match(json, { NetworkSettings: { Networks: { kind: endpoint } } });
});

t.test("a node connected to a network gets the next interface and the network's next addresses", async (t) => {
  const { call, host } = await client(t);
  const created = await call("POST", "/networks/create", network);
  t.equal(created.status, 201);
  t.equal((await call("POST", `/networks/${idOf(created)}/connect`, { Container: "node-1" })).status, 200);
  t.equal((await call("POST", "/networks/net/connect", { Container: "node-2" })).status, 200);
  t.same(host.calls, [
    [
      "createNetwork",
      "0",
      [
        { cidr: "172.32.0.0/16", gateway: "172.32.0.1" },
        { cidr: "fc00:1:2:3::/64", gateway: "fc00:1:2:3::1" },
      ],
    ],
    ["connect", "0", "1", "node-1", "eth2", "172.32.0.2"],
    ["connect", "0", "2", "node-2", "eth2", "172.32.0.3"],
  ]);
  const { Containers } = z
    .object({ Containers: z.record(z.string(), z.unknown()) })
    .parse((await call("GET", "/networks/net")).json);
  t.match(Object.values(Containers), [
    { Name: "node-1", IPv4Address: "172.32.0.2/16", IPv6Address: "fc00:1:2:3::2/64", MacAddress: "02:42:ac:20:00:02" },
    { Name: "node-2", IPv4Address: "172.32.0.3/16" },
  ]);
});

t.test("a released address is given again, and the subnet of a removed network is not", async (t) => {
  const { call, host } = await client(t);
  await call("POST", "/networks/create", network);
  await call("POST", "/networks/net/connect", { Container: "node-1" });
  await call("POST", "/networks/net/disconnect", { Container: "node-1" });
  await call("POST", "/networks/net/connect", { Container: "node-2" });
  t.same(host.calls.at(-1), ["connect", "0", "2", "node-2", "eth2", "172.32.0.2"]);
  await call("POST", "/networks/net/disconnect", { Container: "node-2" });
  t.equal((await call("DELETE", "/networks/net")).status, 204);
  await call("POST", "/networks/create", { Name: "next" });
  t.match(host.calls.at(-1), ["createNetwork", "3", [{ cidr: "172.35.0.0/16" }]]);
});

t.test("a connection that fails leaves no address taken", async (t) => {
  const { call, host } = await client(t);
  await call("POST", "/networks/create", network);
  host.failure = new Error("no such device");
  const { status, json } = await call("POST", "/networks/net/connect", { Container: "node-1" });
  t.equal(status, 500);
  t.match(json, { message: "no such device" });
  host.failure = undefined;
  await call("POST", "/networks/net/connect", { Container: "node-1" });
  t.match(host.calls.at(-1), ["connect", "0", "2", "node-1", "eth2", "172.32.0.2"]);
});

t.test("a created container is in its network from its start until it is removed", async (t) => {
  const { call, host } = await client(t);
  await call("POST", "/networks/create", network);
  const created = await call("POST", "/containers/create?name=guest", {
    Image: "image",
    Cmd: ["sleep", "infinity"],
    NetworkingConfig: { EndpointsConfig: { net: {} } },
  });
  t.equal(created.status, 201);
  t.equal((await call("POST", `/containers/${idOf(created)}/start`)).status, 204);
  const { json } = await call("GET", `/containers/${idOf(created).slice(0, 12)}/json`);
  t.match(json, {
    Name: "/guest",
    State: { Running: true },
    NetworkSettings: { Networks: { net: { IPAddress: "172.32.0.2" } } },
  });
  t.equal((await call("DELETE", "/networks/net")).status, 409);
  t.equal((await call("DELETE", "/containers/guest?force=1")).status, 204);
  t.equal((await call("DELETE", "/networks/net")).status, 204);
  t.same(
    host.calls.map(([name]) => name),
    ["createNetwork", "startContainer", "connect", "disconnect", "removeContainer", "removeNetwork"],
  );
});

t.test("a command's outputs and its exit code come back", async (t) => {
  const { exec } = await client(t);
  const script = 'printf "%s" "$GREETING"; printf problem >&2; exit 3';
  t.same(await exec("node-1", ["sh", "-c", script], ["GREETING=hello=you"]), {
    stdout: "hello=you",
    stderr: "problem",
    code: 3,
  });
  t.equal((await exec("node-1", ["/no/such/program"])).code, 127);
  const long = await exec("node-1", ["seq", "20000"]);
  t.equal(long.stdout?.length, 108_894, "more than one frame");
});

t.test("what is not supported, unknown or wrong is refused, with a message", async (t) => {
  const { call, host } = await client(t);
  for (const [method, path, body, status, message] of [
    ["GET", "/images/json", undefined, 501, "GET /images/json is not supported"],
    ["GET", `/containers/json?filters=${encodeURIComponent('{"name":["x"]}')}`, undefined, 501, "the filter name"],
    ["GET", "/containers/json?filters=x", undefined, 400, "not JSON"],
    ["GET", "/networks/none", undefined, 404, "network none not found"],
    ["POST", "/networks/kind/disconnect", { Container: "node-1" }, 501, "kind cannot be changed"],
    ["POST", "/networks/create", { Name: "kind" }, 409, "already exists"],
    ["POST", "/networks/create", { ...network, IPAM: { Config: [{ Subnet: "fc00::1:0/112" }] } }, 501, "must be a /64"],
    ["POST", "/networks/create", { ...network, EnableIPv6: false }, 501, "if EnableIPv6 is true"],
    ["POST", "/networks/kind/connect", {}, 400, "Container"],
    ["POST", "/containers/create?name=a/b", { Image: "x" }, 400, "invalid container name"],
    ["DELETE", "/containers/node-1", undefined, 501, "is a node"],
    ["POST", "/containers/node-9/exec", { Cmd: ["true"] }, 404, "No such container"],
    ["GET", "/exec/none/json", undefined, 404, "No such exec instance"],
  ] as const) {
    const reply = await call(method, path, body);
    t.equal(reply.status, status, `${method} ${path}`);
    t.match(reply.json, { message: new RegExp(message.replaceAll("/", "\\/")) });
  }
  t.same(host.calls, [], "and nothing is done");
});

t.test("interfaces of a userspace datapath look like those of the kernel's", async (t) => {
  const shown = JSON.stringify([
    { ifname: "lo", mtu: 65536 },
    { ifname: "eth2", operstate: "UP" },
    { ifname: "br-ext", linkinfo: { info_kind: "tun", info_data: {} }, addr_info: [] },
    {},
  ]);
  const ports = { internal: new Set(["br-ext"]), system: new Set(["eth2"]) };
  t.same(JSON.parse(asKernelDatapath(shown, ports)), [
    { ifname: "lo", mtu: 65536 },
    { ifname: "eth2", operstate: "UP", master: "ovs-system" },
    { ifname: "br-ext", linkinfo: { info_kind: "openvswitch", info_data: {} }, addr_info: [] },
    {},
  ]);
  t.ok(showsAddresses(["ip", "-d", "-j", "address", "show", "dev", "eth0"]));
  for (const other of ["ip -d address show", "ip -j route show", "ip -j address add", "cat -j address show"])
    t.notOk(showsAddresses(other.split(" ")), other);
});
