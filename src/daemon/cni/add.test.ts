// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { CNI_ERROR } from "../../api/cni-message.ts";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { FakeLinks, FakePods, FakePorts } from "../testing/fake-node.ts";
import { POD_BODY } from "../testing/pod-request.ts";
import { type AddDependencies, addPod } from "./add.ts";
import { CniError } from "./cni-error.ts";
import { type PodRequest, readPodRequest } from "./request.ts";
import { Stopwatch } from "./stopwatch.ts";

const ALLOCATED = {
  "ovn.kubernetes.io/allocated": "true",
  "ovn.kubernetes.io/routed": "true",
  "ovn.kubernetes.io/ip_address": "10.16.0.7,fd00:10:16::7",
  "ovn.kubernetes.io/mac_address": "02:00:00:00:00:07",
  "ovn.kubernetes.io/cidr": "10.16.0.0/16,fd00:10:16::/112",
  "ovn.kubernetes.io/gateway": "10.16.0.1,fd00:10:16::1",
  "ovn.kubernetes.io/logical_switch": "ovn-default",
  "ovn.kubernetes.io/pod_nic_type": "veth-pair",
};

interface Setup extends AddDependencies {
  readonly pods: FakePods;
  readonly ports: FakePorts;
  readonly links: FakeLinks;
  readonly leftovers: string[];
}

function setup(): Setup {
  const leftovers: string[] = [];
  return {
    pods: new FakePods(),
    ports: new FakePorts(),
    links: new FakeLinks(),
    mtuOf: () => 1400,
    encapOf: () => undefined,
    whenTunnelsKnown: async () => undefined,
    notReady: () => undefined,
    renewFlows: async () => undefined,
    explain: async () => undefined,
    stopping: new AbortController().signal,
    deadlines: { allocatedMs: 200, knownMs: 50, installedMs: 200 },
    onOrphaned: (name, failures) => leftovers.push(name, ...failures.map(({ what }) => what)),
    leftovers,
  };
}

function request(more: Record<string, unknown> = {}): PodRequest {
  return readPodRequest({ ...POD_BODY, ...more }, "add");
}

const quiet = new AbortController().signal;

function nothingLeft(t: Tap, deps: Setup): void {
  t.equal(deps.ports.ports.size, 0, "no port is left");
  t.equal(deps.links.pairs.size, 0, "no interface is left");
}
type Tap = Pick<typeof import("tap").t, "equal">;

t.test("a pod with an allocation gets its interface, its port and a result", async (t) => {
  const deps = setup();
  deps.pods.set("shop", "web-0", "u-1", ALLOCATED);
  const watch = new Stopwatch();
  t.same(await addPod(deps, request(), watch, quiet), {
    ips: [
      { protocol: "IPv4", ip: "10.16.0.7", cidr: "10.16.0.0/16", gateway: "10.16.0.1" },
      { protocol: "IPv6", ip: "fd00:10:16::7", cidr: "fd00:10:16::/112", gateway: "fd00:10:16::1" },
    ],
    mac_address: "02:00:00:00:00:07",
    routes: [
      { dst: "0.0.0.0/0", gw: "10.16.0.1" },
      { dst: "::/0", gw: "fd00:10:16::1" },
    ],
    mtu: 1400,
    nicname: "eth0",
  });
  t.match(deps.links.pairs.get("0123456789ab_h"), { netns: "/run/netns/x", ifName: "eth0", mtu: 1400 });
  t.same(deps.links.announced, ["0123456789ab_h"]);
  t.match(
    [...deps.ports.ports.values()],
    [
      {
        name: "0123456789ab_h",
        externalIds: {
          "iface-id": "web-0.shop",
          vendor: "kube-ovn",
          pod_name: "web-0",
          pod_namespace: "shop",
          pod_netns: "/run/netns/x",
          ip: "10.16.0.7,fd00:10:16::7",
          pod_uid: "u-1",
          container_id: "0123456789abcdef",
          if_name: "eth0",
        },
      },
    ],
  );
  t.same(Object.keys(watch.parts).sort(), ["netns", "ovn-installed", "ovsdb", "veth", "wait-address", "wait-node"]);
});

t.test("a virtual machine's pod gets the virtual machine's port, which has its address in OVN", async (t) => {
  const deps = setup();
  deps.pods.set("shop", "web-0", "u-1", { ...ALLOCATED, "ovn.kubernetes.io/virtualmachine": "vm" });
  await addPod(deps, request(), new Stopwatch(), quiet);
  const ids = { "iface-id": "vm.shop", pod_name: "web-0", vm_name: "vm" };
  t.match([...deps.ports.ports.values()], [{ externalIds: ids }]);
});

t.test("a virtual machine's interface passes no packets before its flows are installed", async (t) => {
  const deps = setup();
  deps.pods.set("shop", "web-0", "u-1", MACHINE);
  const host = () => deps.links.pairs.get("0123456789ab_h");
  const flows = Promise.withResolvers<void>();
  const waiting = Promise.withResolvers<void>();
  deps.ports.onStep = (step) => {
    if (step !== "whenInstalled") return;
    waiting.resolve();
    return flows.promise;
  };
  const adding = addPod(deps, request(), new Stopwatch(), quiet);
  await waiting.promise;
  t.equal(host()?.startsDown, true);
  const downWhenRenewing: unknown[] = [];
  deps.renewFlows = async () => void downWhenRenewing.push(host()?.startsDown);
  flows.resolve();
  await adding;
  t.same(downWhenRenewing, [true], "nor before Open vSwitch has dropped the cached flows that they replace");
  t.ok(host() !== undefined && host()?.startsDown === undefined, "and then it is connected");
});

t.test("a repeated ADD lets ovs-vswitchd release the first interface before it creates another", async (t) => {
  const deps = setup();
  deps.pods.set("shop", "web-0", "u-1", ALLOCATED);
  await addPod(deps, request(), new Stopwatch(), quiet);
  const steps: string[] = [];
  const note = (step: string): void => void steps.push(step);
  deps.ports.onStep = note;
  deps.links.onStep = note;
  await addPod(deps, request(), new Stopwatch(), quiet);
  t.same(steps.slice(0, 3), ["whenConnected", "vacate", "createPair"]);
  t.equal(deps.ports.ports.size, 1);
});

t.test("an ADD waits for a database that is away or cannot write, and does not fail", async (t) => {
  const deps = { ...setup(), deadlines: { allocatedMs: 200, knownMs: 50, installedMs: 5_000 } };
  deps.pods.set("shop", "web-0", "u-1", ALLOCATED);
  const clock = new ManualClock();
  const steps: string[] = [];
  deps.ports.onStep = async (what) => {
    if (what !== "whenConnected" && what !== "attach") return;
    steps.push(what);
    if (what === "attach" && steps.length < 6) throw new CniError(CNI_ERROR.tryAgainLater, "I/O error: write failed");
  };
  const adding = addPod({ ...deps, clock }, request(), new Stopwatch(), quiet);
  await clock.advance(2_000);
  t.match(await adding, { nicname: "eth0" });
  const attempt = ["whenConnected", "attach"];
  t.same(
    steps,
    ["whenConnected", ...attempt, ...attempt, ...attempt],
    "before anything is created, and before each attempt",
  );
});

t.test("a port that was committed although its connection broke is not added again", async (t) => {
  const deps = { ...setup(), deadlines: { allocatedMs: 200, knownMs: 50, installedMs: 5_000 } };
  deps.pods.set("shop", "web-0", "u-1", ALLOCATED);
  const clock = new ManualClock();
  let attempts = 0;
  deps.ports.onStep = async (what) => {
    if (what === "attach") attempts++;
    if (what === "attach done") throw new CniError(CNI_ERROR.tryAgainLater, "disconnected");
  };
  const adding = addPod({ ...deps, clock }, request(), new Stopwatch(), quiet);
  await clock.advance(2_000);
  await adding;
  t.same([attempts, deps.ports.ports.size], [1, 1]);
});

t.test("a database that does not accept the port in time is named, with its own error", async (t) => {
  const deps = setup();
  deps.pods.set("shop", "web-0", "u-1", ALLOCATED);
  const clock = new ManualClock();
  deps.ports.onStep = async (what) => {
    if (what === "attach") throw new CniError(CNI_ERROR.tryAgainLater, "I/O error: write failed");
  };
  const failed = t.rejects(addPod({ ...deps, clock }, request(), new Stopwatch(), quiet), {
    code: CNI_ERROR.tryAgainLater,
    message: /I\/O error: write failed/,
  });
  await clock.advance(2_000);
  await failed;
  nothingLeft(t, deps);
});

t.test("the request waits for the controller by event", async (t) => {
  const deps = setup();
  const watch = new Stopwatch();
  const adding = addPod(deps, request(), watch, quiet);
  deps.pods.set("shop", "web-0", "u-1");
  deps.pods.set("shop", "web-0", "u-1", { ...ALLOCATED, "ovn.kubernetes.io/routed": "false" });
  t.equal(deps.links.pairs.size, 0, "an address alone is not enough");
  deps.pods.set("shop", "web-0", "u-1", ALLOCATED);
  t.match(await adding, { nicname: "eth0" });
  t.ok(watch.parts["wait-route"] !== undefined);
});

t.test("a pod of the same name with another uid is not served", async (t) => {
  const deps = setup();
  deps.pods.set("shop", "web-0", "u-0", ALLOCATED);
  await t.rejects(addPod(deps, request(), new Stopwatch(), quiet), { code: 3, message: /has uid u-0/ });
  const adding = addPod(deps, request(), new Stopwatch(), quiet);
  deps.pods.remove("shop", "web-0");
  deps.pods.set("shop", "web-0", "u-1", ALLOCATED);
  t.match(await adding, { nicname: "eth0" }, "the requested pod was added");
});

t.test("a request without uid gets the pod of that name", async (t) => {
  const deps = setup();
  deps.pods.set("shop", "web-0", "u-1", ALLOCATED);
  t.match(await addPod(deps, request({ pod_uid: undefined }), new Stopwatch(), quiet), { nicname: "eth0" });
  t.match([...deps.ports.ports.values()], [{ externalIds: { pod_uid: "u-1" } }]);
});

t.test("a pod that is deleted ends the wait at once", async (t) => {
  const deps = setup();
  deps.pods.set("shop", "web-0", "u-1");
  const adding = addPod(deps, request(), new Stopwatch(), quiet);
  await new Promise(setImmediate);
  deps.pods.remove("shop", "web-0");
  await t.rejects(adding, { code: 3, message: /was deleted/ });
  nothingLeft(t, deps);
});

t.test("the error names a controller that does not allocate, with its reason", async (t) => {
  const deps = { ...setup(), explain: async () => "AcquireAddressFailed: subnet ovn-default is full" };
  deps.pods.set("shop", "web-0", "u-1");
  await t.rejects(addPod(deps, request(), new Stopwatch(), quiet), {
    code: 11,
    message: /no address .* within 0.2 s: AcquireAddressFailed: subnet ovn-default is full/,
  });
  nothingLeft(t, deps);
});

t.test("a missing namespace is a clear error and nothing remains", async (t) => {
  const deps = setup();
  deps.links.goneNetns.add("/run/netns/x");
  deps.pods.set("shop", "web-0", "u-1", ALLOCATED);
  await t.rejects(addPod(deps, request(), new Stopwatch(), quiet), /creating the pod's interface: .*does not exist/);
  nothingLeft(t, deps);
});

t.test("flows that are never installed are an error that names where to look", async (t) => {
  const deps = setup();
  deps.ports.installs = false;
  deps.pods.set("shop", "web-0", "u-1", ALLOCATED);
  await t.rejects(addPod(deps, request(), new Stopwatch(), quiet), {
    code: 11,
    message: /0123456789ab_h within 0.2 s/,
    details: /web-0\.shop/,
  });
  nothingLeft(t, deps);
});

const STEPS = [
  "createPair",
  "createPair done",
  "attach",
  "attach done",
  "configure",
  "configure done",
  "whenInstalled",
  "connect",
] as const;
/** Its ADD has all of them. */
const MACHINE = { ...ALLOCATED, "ovn.kubernetes.io/virtualmachine": "vm" };

t.test("after a failure of any step nothing remains", async (t) => {
  for (const failing of STEPS) {
    const deps = setup();
    deps.pods.set("shop", "web-0", "u-1", MACHINE);
    let inside = 0;
    deps.links.onStep = deps.ports.onStep = async (step) => {
      inside += 1;
      await new Promise(setImmediate);
      inside -= 1;
      if (step === failing) throw new Error(`${step} broke`);
    };
    await t.rejects(addPod(deps, request(), new Stopwatch(), quiet), new RegExp(`${failing} broke`), failing);
    t.equal(inside, 0, "nothing continues after the response");
    nothingLeft(t, deps);
    t.same(deps.links.announced, []);
  }
});

t.test("after an abort at any step nothing remains", async (t) => {
  for (const stopping of STEPS) {
    const deps = setup();
    deps.pods.set("shop", "web-0", "u-1", MACHINE);
    const caller = new AbortController();
    deps.links.onStep = deps.ports.onStep = (step) => {
      if (step === stopping) caller.abort(new Error("a DEL came"));
    };
    await t.rejects(addPod(deps, request(), new Stopwatch(), caller.signal), { code: 11, message: /a DEL came/ });
    nothingLeft(t, deps);
  }
});

t.test("objects that could not be rolled back are reported to the collector", async (t) => {
  const deps = setup();
  deps.pods.set("shop", "web-0", "u-1", ALLOCATED);
  deps.links.onStep = deps.ports.onStep = (step) => {
    if (step === "configure" || step === "detach") throw new Error(`${step} broke`);
  };
  await t.rejects(addPod(deps, request(), new Stopwatch(), quiet), /configure broke/);
  t.same(deps.leftovers, ["0123456789ab_h", "port 0123456789ab_h"]);
  t.equal(deps.links.pairs.size, 0, "the other step was rolled back nevertheless");
});

t.test("a pod whose subnet names a network that the node lacks does not start, and nothing remains", async (t) => {
  const refused = new CniError(CNI_ERROR.tryAgainLater, 'network "storage" is not found on this node');
  const deps: Setup = {
    ...setup(),
    encapOf: () => {
      throw refused;
    },
  };
  deps.pods.set("shop", "web-0", "u-1", ALLOCATED);
  await t.rejects(addPod(deps, request(), new Stopwatch(), quiet), refused);
  nothingLeft(t, deps);
});

t.test("the port of a pod of another network has its tunnel address", async (t) => {
  const deps: Setup = { ...setup(), encapOf: (subnet) => (subnet === "ovn-default" ? "192.168.10.11" : undefined) };
  deps.pods.set("shop", "web-0", "u-1", ALLOCATED);
  await addPod(deps, request(), new Stopwatch(), quiet);
  t.match([...deps.ports.ports.values()], [{ externalIds: { "encap-ip": "192.168.10.11" } }]);
});

t.test(
  "an interface with an invalid limit is not created without it, and the error lists the valid values",
  async (t) => {
    const deps = setup();
    const problem = 'annotation ovn.kubernetes.io/ingress_rate is "fast", which is invalid: it must be a whole number';
    const allocated = (ovn: object) => ({ ...ALLOCATED, "weft.kubeovn.io/qos": JSON.stringify({ ovn }) });
    deps.pods.set("shop", "web-0", "u-1", allocated({ problem, refused: true }));
    await t.rejects(addPod(deps, request(), new Stopwatch(), quiet), {
      code: CNI_ERROR.invalidConfig,
      message: `${problem} (of pod shop/web-0)`,
    });
    nothingLeft(t, deps);
    deps.pods.set("shop", "web-0", "u-1", allocated({ problem, ingress: { rate: 1_000, burst: 800 } }));
    t.match(
      await addPod(deps, request(), new Stopwatch(), quiet),
      { mac_address: "02:00:00:00:00:07" },
      "the previously active limit is sufficient",
    );
  },
);

t.test("a request for a device is refused at once by its name; its DEL is not", async (t) => {
  const base = { pod_name: "web-0", pod_namespace: "shop", container_id: "0123456789abcdef", net_ns: "/run/netns/x" };
  const own = { ...base, cni_type: "kube-ovn", network_name: "fast" };
  for (const [keys, why] of [
    [{ deviceID: "0000:3b:00.2" }, /network configuration fast has deviceID "0000:3b:00\.2", but SR-IOV/],
    [{ vhost_user_socket_volume_name: "sockets" }, /"sockets", but DPDK/],
  ] as const) {
    t.throws(() => readPodRequest({ ...own, ...keys }, "add"), { code: 2, message: why });
    t.equal(readPodRequest({ ...own, ...keys }, "del").podName, "web-0");
    const other = { ...base, cni_type: "sriov", provider: "fast.shop" };
    t.ok(readPodRequest({ ...other, ...keys }, "add").ipamOnly, "another plugin may use a device");
  }
});
