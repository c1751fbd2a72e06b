// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { runPlugin } from "./plugin.ts";
import { ExchangeError, type HttpAnswer } from "./post-to-daemon.ts";

const CONF = { cniVersion: "1.0.0", name: "kube-ovn", type: "kube-ovn", server_socket: "/s.sock" };
const ENV = {
  CNI_CONTAINERID: "0123456789abcdef",
  CNI_NETNS: "/run/netns/x",
  CNI_IFNAME: "eth0",
  CNI_ARGS: "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=web-0;K8S_POD_UID=u-1",
  CNI_PATH: "/opt/cni/bin",
};
const ANSWER = {
  ips: [
    { protocol: "IPv4", ip: "10.16.0.7", cidr: "10.16.0.0/16", gateway: "10.16.0.1" },
    { protocol: "IPv6", ip: "fd00:10:16::7", cidr: "fd00:10:16::/112", gateway: "fd00:10:16::1" },
  ],
  mac_address: "02:00:00:00:00:07",
  routes: [{ gw: "10.16.0.1" }, { gw: "fd00:10:16::1" }, { dst: "192.0.2.0/24", gw: "10.16.0.9" }],
  mtu: 1400,
  nicname: "eth0",
};

interface Run {
  readonly exit: number;
  readonly out: Record<string, unknown> | undefined;
  /** The last request. */
  readonly sent: { path: string; socket: string; body: Record<string, unknown> } | undefined;
  /** Milliseconds between attempts. */
  readonly waited: number;
}

/** A clock that only `wait` advances. */
function clock() {
  let time = 0;
  return {
    now: () => time,
    wait: async (ms: number) => {
      time += ms;
    },
  };
}

async function run(
  verb: string | undefined,
  stdin: unknown,
  answer: HttpAnswer | Error | ((attempt: number, wait: (ms: number) => unknown) => HttpAnswer | Error) = {
    status: 200,
    body: JSON.stringify(ANSWER),
  },
  env: Record<string, string | undefined> = ENV,
): Promise<Run> {
  let out = "";
  let sent: Run["sent"];
  let attempts = 0;
  const time = clock();
  const exit = await runPlugin({
    ...time,
    env: { ...env, CNI_COMMAND: verb },
    readStdin: () => (typeof stdin === "string" ? stdin : JSON.stringify(stdin)),
    writeStdout: (text) => {
      out += text;
    },
    post: async (socket, path, body) => {
      sent = { socket, path, body: JSON.parse(body) as Record<string, unknown> };
      attempts += 1;
      const result = typeof answer === "function" ? answer(attempts, time.wait) : answer;
      if (result instanceof Error) throw result;
      return result;
    },
  });
  return { exit, out: out === "" ? undefined : (JSON.parse(out) as Record<string, unknown>), sent, waited: time.now() };
}

t.test("ADD sends Kube-OVN's message and prints the result in the requested version", async (t) => {
  const { exit, out, sent } = await run("ADD", CONF);
  t.equal(exit, 0);
  t.match(sent, {
    socket: "/s.sock",
    path: "/api/v1/add",
    body: {
      cni_type: "kube-ovn",
      pod_name: "web-0",
      pod_namespace: "ns",
      pod_uid: "u-1",
      container_id: "0123456789abcdef",
      net_ns: "/run/netns/x",
      if_name: "eth0",
      provider: "ovn",
      network_name: "kube-ovn",
      timeout_ms: 90_000,
    },
  });
  t.same(out, {
    cniVersion: "1.0.0",
    interfaces: [{ name: "eth0", mac: "02:00:00:00:00:07", sandbox: "/run/netns/x" }],
    ips: [
      { address: "10.16.0.7/16", gateway: "10.16.0.1", interface: 0 },
      { address: "fd00:10:16::7/112", gateway: "fd00:10:16::1", interface: 0 },
    ],
    routes: [
      { dst: "0.0.0.0/0", gw: "10.16.0.1" },
      { dst: "::/0", gw: "fd00:10:16::1" },
      { dst: "192.0.2.0/24", gw: "10.16.0.9" },
    ],
    dns: {},
  });
});

t.test("results before 1.0.0 name an address's version, and 1.1.0 names the MTU", async (t) => {
  for (const cniVersion of ["0.3.0", "0.3.1", "0.4.0"]) {
    const { out } = await run("ADD", { ...CONF, cniVersion });
    t.match(out, { cniVersion, ips: [{ version: "4" }, { version: "6" }] });
  }
  const { out } = await run("ADD", { ...CONF, cniVersion: "1.1.0" });
  t.match(out, { cniVersion: "1.1.0", interfaces: [{ mtu: 1400 }] });
  t.notMatch(out, { ips: [{ version: "4" }] });
});

t.test("the results of earlier plugins of the list come first, unchanged", async (t) => {
  const prevResult = {
    cniVersion: "1.0.0",
    interfaces: [{ name: "tun0", sandbox: "/run/netns/x" }],
    ips: [{ address: "192.0.2.1/32", interface: 0 }],
    dns: { nameservers: ["192.0.2.53"] },
  };
  const { out, sent } = await run("ADD", { ...CONF, prevResult });
  t.match(out, {
    interfaces: [{ name: "tun0" }, { name: "eth0" }],
    ips: [{ address: "192.0.2.1/32", interface: 0 }, { interface: 1 }, { interface: 1 }],
    dns: { nameservers: ["192.0.2.53"] },
  });
  t.match(sent?.body, { prev_result: prevResult });
});

t.test("as another plugin's IPAM the keys below ipam are used and no interface is named", async (t) => {
  const conf = { ...CONF, type: "macvlan", ipam: { type: "kube-ovn", server_socket: "/i.sock", provider: "nad.ns" } };
  const { out, sent } = await run("ADD", conf);
  t.match(sent, { socket: "/i.sock", body: { cni_type: "macvlan", provider: "nad.ns" } });
  t.notOk(out !== undefined && "interfaces" in out);
  t.notMatch(out, { ips: [{ interface: 0 }] });
});

t.test("an IPAM result has the requested version, and nothing of other plugins' results", async (t) => {
  const ipam = { type: "kube-ovn", provider: "nad.ns" };
  const prevResult = { cniVersion: "0.3.1", interfaces: [{ name: "tun0" }], ips: [{ address: "192.0.2.1/32" }] };
  for (const cniVersion of ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]) {
    const { out } = await run("ADD", { ...CONF, cniVersion, type: "macvlan", ipam, prevResult });
    const [four, six] = cniVersion.startsWith("0.") ? [{ version: "4" }, { version: "6" }] : [{}, {}];
    t.same(out, {
      cniVersion,
      ips: [
        { ...four, address: "10.16.0.7/16", gateway: "10.16.0.1" },
        { ...six, address: "fd00:10:16::7/112", gateway: "fd00:10:16::1" },
      ],
      routes: [
        { dst: "0.0.0.0/0", gw: "10.16.0.1" },
        { dst: "::/0", gw: "fd00:10:16::1" },
        { dst: "192.0.2.0/24", gw: "10.16.0.9" },
      ],
      dns: {},
    });
  }
});

t.test(
  "a network without the default route has none in its result, and one with only MACs has an interface",
  async (t) => {
    const [four] = ANSWER.ips;
    const without = { ...ANSWER, ips: [{ ...four, gateway: undefined }], routes: [] };
    const further = { ...CONF, name: "lan", provider: "lan.shop.ovn" };
    const { out } = await run("ADD", further, { status: 200, body: JSON.stringify(without) });
    t.match(out, { ips: [{ address: "10.16.0.7/16", interface: 0 }], routes: [] });
    t.same(out?.["routes"], []);
    const macOnly = { ...ANSWER, ips: [], routes: [], nicname: "net1" };
    t.same((await run("ADD", further, { status: 200, body: JSON.stringify(macOnly) })).out, {
      cniVersion: "1.0.0",
      interfaces: [{ name: "net1", mac: "02:00:00:00:00:07", sandbox: "/run/netns/x" }],
      ips: [],
      routes: [],
      dns: {},
    });
  },
);

t.test("DEL, CHECK, STATUS and GC print nothing on success", async (t) => {
  const empty = { status: 204, body: "" };
  const conf = { ...CONF, cniVersion: "1.1.0", prevResult: { cniVersion: "1.1.0" } };
  const valid = [{ containerID: "0123456789abcdef", ifname: "eth0" }];
  for (const [verb, stdin, env] of [
    ["DEL", conf, { CNI_CONTAINERID: "0123456789abcdef", CNI_IFNAME: "eth0" }],
    ["CHECK", conf, ENV],
    ["STATUS", conf, {}],
    ["GC", { ...conf, "cni.dev/valid-attachments": valid }, {}],
  ] as const) {
    const { exit, out, sent } = await run(verb, stdin, empty, env);
    t.same([exit, out], [0, undefined], verb);
    t.equal(sent?.path, `/api/v1/${verb.toLowerCase()}`);
    if (verb === "GC") t.same(sent?.body["valid_attachments"], valid);
  }
});

t.test(
  "GC with the list null, which libcni writes for a runtime without pods, means that no attachment is valid",
  async (t) => {
    const conf = { ...CONF, cniVersion: "1.1.0", "cni.dev/valid-attachments": null };
    const { exit, out, sent } = await run("GC", conf, { status: 204, body: "" }, {});
    t.same([exit, out], [0, undefined]);
    t.same(sent?.body["valid_attachments"], []);
  },
);

t.test("VERSION answers without the daemon, for any stdin", async (t) => {
  t.same((await run("VERSION", { cniVersion: "0.4.0" }, new Error("never asked"), {})).out, {
    cniVersion: "0.4.0",
    supportedVersions: ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
  });
  t.match((await run("VERSION", "")).out, { cniVersion: "1.1.0" });
});

t.test("each invalid input has the specification's code", async (t) => {
  const cases: [string, number, Promise<Run>][] = [
    ["garbage on stdin", 6, run("ADD", "}{")],
    ["a list on stdin", 6, run("ADD", "[]")],
    ["an empty stdin", 6, run("DEL", "")],
    ["an unknown version", 1, run("ADD", { ...CONF, cniVersion: "9.0.0" })],
    ["no version, which means 0.1.0", 1, run("ADD", { ...CONF, cniVersion: undefined })],
    ["a version that is not a string", 1, run("ADD", { ...CONF, cniVersion: 1 })],
    ["CHECK in 0.3.1", 1, run("CHECK", { ...CONF, cniVersion: "0.3.1" })],
    ["GC in 1.0.0", 1, run("GC", CONF)],
    ["STATUS in 1.0.0", 1, run("STATUS", CONF)],
    ["CHECK without prevResult", 7, run("CHECK", CONF)],
    ["GC without the list", 7, run("GC", { ...CONF, cniVersion: "1.1.0" })],
    ["GC with a bad list", 7, run("GC", { ...CONF, cniVersion: "1.1.0", "cni.dev/valid-attachments": [{}] })],
    ["no network name", 7, run("ADD", { ...CONF, name: undefined })],
    ["a bad network name", 7, run("ADD", { ...CONF, name: "a/b" })],
    ["a socket that is not a path", 7, run("ADD", { ...CONF, server_socket: 7 })],
    ["invalid routes", 7, run("ADD", { ...CONF, routes: "10.0.0.0/8" })],
    ["no verb", 4, run(undefined, CONF)],
    ["an unknown verb", 4, run("FROB", CONF)],
    ["no netns", 4, run("ADD", CONF, undefined, { ...ENV, CNI_NETNS: "" })],
    ["no container id", 4, run("DEL", CONF, undefined, { ...ENV, CNI_CONTAINERID: undefined })],
    ["a bad container id", 4, run("DEL", CONF, undefined, { ...ENV, CNI_CONTAINERID: "../x" })],
    ["a bad interface name", 4, run("DEL", CONF, undefined, { ...ENV, CNI_IFNAME: "a/b" })],
    ["a long interface name", 4, run("DEL", CONF, undefined, { ...ENV, CNI_IFNAME: "a234567890123456" })],
    ["no pod", 4, run("ADD", CONF, undefined, { ...ENV, CNI_ARGS: "" })],
  ];
  for (const [name, code, running] of cases) {
    const { exit, out, sent } = await running;
    t.same([exit, out?.["code"], sent], [1, code, undefined], name);
    t.type(out?.["msg"], "string");
    t.ok(out?.["cniVersion"]);
  }
});

t.test("the error names a missing variable", async (t) => {
  const { out } = await run("ADD", CONF, undefined, {});
  t.match(out, { msg: /CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME/ });
});

t.test("a stopped daemon means try again later, and not available for STATUS", async (t) => {
  const down = new ExchangeError("refused", "connect ENOENT /s.sock");
  for (const verb of ["ADD", "DEL"])
    t.match(await run(verb, CONF, down), { waited: 30_000, out: { code: 11, msg: /kube-ovn-cni/ } });
  t.match(await run("STATUS", { ...CONF, cniVersion: "1.1.0" }, down), { waited: 0, out: { code: 50 } });
  const hung = new ExchangeError("deadline", "no answer within 90 s");
  t.match(await run("ADD", CONF, hung), { waited: 0, out: { code: 11, details: "no answer within 90 s" } });
});

t.test("ADD and DEL go on with the next daemon when one is absent, is killed, or shuts down", async (t) => {
  const ok = { status: 200, body: JSON.stringify(ANSWER) };
  const stopping = { error: "weft-daemon is shutting down", code: 11, restarting: true };
  for (const absent of [
    new ExchangeError("refused", "connect ECONNREFUSED /s.sock"),
    new ExchangeError("broken", "the connection was closed before an answer came"),
    { status: 503, body: JSON.stringify(stopping) },
  ]) {
    const after = (attempt: number) => (attempt <= 10 ? absent : ok);
    t.match(await run("ADD", CONF, after), { exit: 0, waited: 2_000, sent: { body: { timeout_ms: 88_000 } } });
    t.match(await run("DEL", CONF, after), { exit: 0, waited: 2_000 });
  }
  const full = { status: 503, body: JSON.stringify({ error: "no address", code: 11 }) };
  t.match(await run("ADD", CONF, full), { exit: 1, waited: 0, out: { msg: "no address" } }, "its errors are answers");
});

t.test("the daemon's error is passed on with its code", async (t) => {
  const refusal = { status: 404, body: JSON.stringify({ error: "pod is gone", code: 3, details: "more" }) };
  t.match(await run("ADD", CONF, refusal), { exit: 1, out: { code: 3, msg: "pod is gone", details: "more" } });
  const kubeOvn = { status: 500, body: JSON.stringify({ error: "no address allocated" }) };
  t.match((await run("ADD", CONF, kubeOvn)).out, { code: 11, msg: "no address allocated" });
  t.match((await run("ADD", CONF, { status: 502, body: "<html>" })).out, { code: 11, details: "<html>" });
  t.match((await run("ADD", CONF, { status: 200, body: "hello" })).out, { code: 6 });
});

t.test("kubelet repeats an ADD soon that has waited for something in vain, and no other", async (t) => {
  const failed = (code: number, waits: number) => (_: number, wait: (ms: number) => unknown) => {
    wait(waits);
    return { status: 503, body: JSON.stringify({ error: "no address within 30 s", code }) };
  };
  const soon = { msg: "network is not ready: no address within 30 s" };
  const later = { msg: "no address within 30 s" };
  t.match((await run("ADD", CONF, failed(11, 30_000))).out, soon);
  t.match((await run("ADD", CONF, failed(11, 100))).out, later, "it would be repeated too often");
  t.match((await run("ADD", CONF, failed(7, 30_000))).out, later, "an invalid configuration stays invalid");
  t.match((await run("DEL", CONF, failed(11, 30_000))).out, later);
});

t.test("an unreadable stdin is an I/O failure", async (t) => {
  let out = "";
  const exit = await runPlugin({
    ...clock(),
    env: { ...ENV, CNI_COMMAND: "ADD" },
    readStdin: () => Promise.reject(new Error("EIO")),
    writeStdout: (text) => {
      out += text;
    },
    post: () => Promise.reject(new Error("never asked")),
  });
  t.equal(exit, 1);
  t.match(JSON.parse(out), { code: 5 });
});

t.test("a request has an id, which the error contains if the daemon does not answer", async (t) => {
  let out = "";
  const sent: string[] = [];
  const exit = await runPlugin({
    ...clock(),
    env: { ...ENV, CNI_COMMAND: "ADD" },
    requestId: "mq1x2-3f",
    readStdin: () => JSON.stringify(CONF),
    writeStdout: (text) => {
      out += text;
    },
    post: async (_, __, body) => {
      sent.push(body);
      throw new ExchangeError("deadline", "no answer within 90 s");
    },
  });
  t.equal(exit, 1);
  t.match(JSON.parse(sent[0] ?? ""), { request_id: "mq1x2-3f" });
  t.match(JSON.parse(out), { details: "no answer within 90 s (request mq1x2-3f)" });
});
