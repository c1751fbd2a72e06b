// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { PODS } from "../../../src/kube/resources.ts";
import { useMultus } from "../testing/multus.ts";
import { createNetwork, ovnNetwork } from "../testing/networks.ts";
import type { Thing } from "../testing/objects.ts";
import { idlePod, run, useNamespace } from "../testing/pods.ts";
import {
  advertisement,
  arpReply,
  captureFrames,
  datagram,
  hasCome,
  otherProtocol,
  type Station,
  sendFrames,
  solicitation,
  stationOf,
} from "../testing/raw-frames.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { openWorld, syncNodes, type World, whyNoLab } from "../testing/world.ts";

const HOME = "weft-ports";
const LAN = `lan.${HOME}.ovn`;
const NETWORK = { "k8s.v1.cni.cncf.io/networks": "lan" };
const SECURED = { "ovn.kubernetes.io/port_security": "true", [`${LAN}.kubernetes.io/port_security`]: "true" };

/** Frames that `from` sends to `to`, by name; `victim` is an uninvolved third station of the network. */
type Frames = (from: Station, victim: Station, to: Station) => Readonly<Record<string, Buffer>>;

const sides = ({ mac, v4, v6, linkLocal }: Station) => ({
  four: { mac, ip: v4 },
  six: { mac, ip: v6 },
  local: { mac, ip: linkLocal },
});

/** Frames with the station's own addresses. */
const OWN: Frames = (from, _, to) => {
  const [own, there] = [sides(from), sides(to)];
  return {
    "IPv4 from its own address": datagram(own.four, there.four, "own4"),
    "IPv6 from its own address": datagram(own.six, there.six, "own6"),
    "IPv6 from its link-local address": datagram(own.local, there.six, "own local"),
    "an ARP reply for its own address": arpReply(from.mac, own.four, there.four),
    "an advertisement of its own address": advertisement(own.six, own.six, there.six),
    "a solicitation with its own MAC": solicitation(own.six, unused(from), from.mac),
  };
};

/** Frames with another station's addresses. */
const SPOOFED: Frames = (from, victim, to) => {
  const [own, others, there] = [sides(from), sides(victim), sides(to)];
  return {
    "IPv4 from another MAC": datagram({ ...own.four, mac: victim.mac }, there.four, "mac4"),
    "IPv6 from another MAC": datagram({ ...own.six, mac: victim.mac }, there.six, "mac6"),
    "IPv4 from another address": datagram({ ...others.four, mac: from.mac }, there.four, "ip4"),
    "IPv6 from another address": datagram({ ...others.six, mac: from.mac }, there.six, "ip6"),
    "IPv6 from another link-local address": datagram({ ...others.local, mac: from.mac }, there.six, "local"),
    "an ARP reply from another MAC": arpReply(victim.mac, own.four, there.four),
    "an ARP reply that names another MAC": arpReply(from.mac, { ...own.four, mac: victim.mac }, there.four),
    "an ARP reply for another address": arpReply(from.mac, { ...others.four, mac: from.mac }, there.four),
    "an advertisement from another address": advertisement({ ...others.six, mac: from.mac }, own.six, there.six),
    "an advertisement that names another MAC": advertisement(own.six, { ...own.six, mac: victim.mac }, there.six),
    "an advertisement of another address": advertisement(own.six, { ...others.six, mac: from.mac }, there.six),
    "a solicitation from another address": solicitation({ ...others.six, mac: from.mac }, unused(from), from.mac),
  };
};

/** OVN drops it since 25.03.3 (ovn controller/lflow.c, "Enable default drop for ND NS"). */
const SOLICITED: Frames = (from, victim) => ({
  "a solicitation that names another MAC": solicitation({ mac: from.mac, ip: from.v6 }, unused(from), victim.mac),
});

/** Whether the lab's OVN drops {@link SOLICITED}. */
async function dropsSolicited({ lab }: World): Promise<boolean> {
  const { stdout } = await lab.kubectl([
    "-n",
    "kube-system",
    "exec",
    "deploy/ovn-central",
    "--",
    "ovn-northd",
    "--version",
  ]);
  const [major = 0, minor = 0, patch = 0] = /ovn-northd (\S+)/.exec(stdout)?.[1]?.split(".").map(Number) ?? [];
  if (major !== 25) return major > 25;
  return minor === 3 && patch >= 3;
}

/** Other frames that port security drops. (ovn-nb(5) states that RARP is not restricted.) */
const OTHERS: Frames = ({ mac }) => ({
  "a RARP request": otherProtocol(mac, "RARP"),
  "a protocol of its own": otherProtocol(mac, 0x88b5),
});

/** Frames that OVN's port security allows by design (ovn-nb(5), `port_security`). */
const BY_DESIGN: Frames = (from) => {
  const [none4, all] = [
    { mac: from.mac, ip: "0.0.0.0" },
    { mac: "ff:ff:ff:ff:ff:ff", ip: "255.255.255.255" },
  ];
  return {
    "a DHCP request from 0.0.0.0": datagram(none4, all, "dhcp", [68, 67]),
    "a solicitation from ::, as for duplicate address detection": solicitation(
      { mac: from.mac, ip: "::" },
      unused(from),
    ),
  };
};

/** An unused address of its subnet: OVN answers for the addresses that it knows. */
function unused({ v6 }: Station): string {
  return v6.replace(/[^:]*$/, "ee77");
}

/** Names of the frames that arrive at each of `to`, where they differ from `wanted`. The frame that is sent last always arrives. */
async function sendAll(from: Station, victim: Station, to: readonly Station[], kinds: readonly Frames[]) {
  return await Promise.all(
    to.map(async (station) => {
      const frames = Object.assign({}, ...kinds.map((kind) => kind(from, victim, station))) as Record<string, Buffer>;
      const capture = await captureFrames(station);
      await sendFrames(from, Object.values(frames));
      for (const text of ["last", "very last"]) {
        const last = datagram(sides(from).four, sides(station).four, text);
        await sendFrames(from, [last]);
        await capture.until(`"${text}" comes`, (lines) => hasCome(lines, last), 20_000);
      }
      const lines = await capture.stop();
      return Object.entries(frames).flatMap(([name, frame]) => (hasCome(lines, frame) ? [name] : []));
    }),
  );
}

const names = (station: Station, ...kinds: readonly Frames[]): readonly string[] =>
  kinds.flatMap((kind) => Object.keys(kind(station, station, station)));

/** Changes annotations of a running pod, and waits until nodes have installed flows for it. */
async function change(world: World, name: string, provider: string, value: string | null): Promise<void> {
  const annotations = { [`${provider}.kubernetes.io/port_security`]: value };
  await world.kube.patch(PODS, { namespace: HOME, name }, { type: "merge", body: { metadata: { annotations } } });
  const port = `${name}.${HOME}${provider === "ovn" ? "" : `.${provider}`}`;
  const wanted = value === "true";
  await world.nb.until(`port_security of ${port}`, () => (world.nb.port(port)?.port_security.length === 0) !== wanted);
  await syncNodes(world);
}

t.test("spoofed frames are dropped under port_security", { skip: whyNoLab(), timeout: 300_000 }, async (t) => {
  const world = await openWorld(t);
  const [first = "", second = ""] = world.lab.nodes;
  await useMultus(t, world);
  await useNamespace(t, world, HOME);
  await useSubnet(t, world, "ports-lan", { provider: LAN, cidrBlock: "10.57.0.0/24,fd00:10:57::/112" });
  await createNetwork(world, HOME, "lan", ovnNetwork("lan", HOME));
  await judged(world, "ports-lan");
  const pods = (await run(world, [
    idlePod(HOME, "secured", first, { ...NETWORK, ...SECURED }),
    idlePod(HOME, "open", first, NETWORK),
    idlePod(HOME, "victim", second, NETWORK),
    idlePod(HOME, "near", first, NETWORK),
    idlePod(HOME, "far", second, NETWORK),
  ])) as [Thing, Thing, Thing, Thing, Thing];
  await syncNodes(world);
  const everything = [OWN, SPOOFED, OTHERS, BY_DESIGN, SOLICITED];
  const secure = (await dropsSolicited(world)) ? [OWN, BY_DESIGN] : [OWN, BY_DESIGN, SOLICITED];

  for (const [provider, ifName] of [
    ["ovn", "eth0"],
    [LAN, "net1"],
  ] as const) {
    const [secured, open, victim, near, far] = (await Promise.all(
      pods.map((pod) => stationOf(world, pod, provider, ifName)),
    )) as [Station, Station, Station, Station, Station];
    /** The received frames from a station on its node and on another, and the expected ones. */
    const compare = async (t: Test, from: Station, wanted: readonly Frames[]): Promise<void> => {
      const [onNode, across] = await sendAll(from, victim, [near, far], everything);
      t.same(onNode, names(from, ...wanted), "on the node");
      t.same(across, names(from, ...wanted), "across nodes");
    };
    await t.test(`${ifName}: with the annotation a pod sends from its own addresses only`, (t) =>
      compare(t, secured, secure),
    );
    await t.test(`${ifName}: without it, from any address`, (t) => compare(t, open, everything));
    await t.test(`${ifName}: changes of the annotation apply to the running pod`, async (t) => {
      await change(world, "secured", provider, "false");
      await compare(t, secured, everything);
      await change(world, "open", provider, "true");
      await compare(t, open, secure);
      await change(world, "open", provider, null);
      await compare(t, open, everything);
    });
  }
});
