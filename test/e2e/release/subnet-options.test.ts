// SPDX-License-Identifier: Apache-2.0

import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { ping } from "../../../hack/traffic/probe.ts";
import { PODS, SUBNETS } from "../../../src/kube/resources.ts";
import { formatIpv6 } from "../../../src/net/address.ts";
import { capture, castToGroup, joinGroup, leaseV6, solicitRouter } from "../testing/link.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, idlePod, inPod, run, useNamespace } from "../testing/pods.ts";
import { judged, switchOf, useSubnet } from "../testing/subnets.ts";
import { openWorld, syncNodes, type World, whyNoLab } from "../testing/world.ts";

const DHCP = "weft-dhcp";
const MULTICAST = "weft-multicast";
const PORT = 5353;
const DATAGRAMS = 20;
const BYTES = 4;

let world: World;

function within(subnet: string, more: Record<string, string> = {}): Record<string, string> {
  const annotations = { logical_switch: subnet, ...more };
  return Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`ovn.kubernetes.io/${key}`, value]));
}

function change(name: string, spec: object): Promise<unknown> {
  return world.kube.patch(SUBNETS, { name }, { type: "merge", body: { spec } });
}

function macOf(pod: Thing): string {
  return pod.metadata.annotations?.["ovn.kubernetes.io/mac_address"] ?? "";
}

/** The lease of busybox' DHCP client, as the environment variables of its script. */
async function leaseV4(script: string, pod: Thing): Promise<Readonly<Record<string, string>>> {
  const options = ["-O", "mtu", "-O", "dns", "-O", "domain", "-O", "lease"];
  const { stdout } = await inPod(pod)([
    "busybox",
    "udhcpc",
    "-i",
    "eth0",
    "-n",
    "-q",
    "-f",
    "-t",
    "5",
    ...options,
    "-s",
    script,
  ]);
  return Object.fromEntries([...stdout.matchAll(/^(\w+)=(.*)$/gm)].map(([, key = "", value = ""]) => [key, value]));
}

/** The options of a message of DHCPv6 (RFC 8415 §21.1): code → content. */
function optionsOf(bytes: Buffer): ReadonlyMap<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const [code, length] = [bytes.readUInt16BE(at), bytes.readUInt16BE(at + 2)];
    found.set(code, bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return found;
}

function ipv6(bytes: Buffer | undefined): string {
  return bytes === undefined ? "" : formatIpv6(BigInt(`0x${bytes.toString("hex")}`));
}

interface Advertisement {
  readonly managed: boolean;
  readonly other: boolean;
  readonly mtu: number | undefined;
  readonly prefix: string | undefined;
  /** Whether addresses may be derived from the prefix (SLAAC). */
  readonly autonomous: boolean | undefined;
}

/** A router advertisement (RFC 4861 §4.2); undefined for other packets. */
function advertisementOf(hex: string): Advertisement | undefined {
  const packet = Buffer.from(hex, "hex").subarray(40);
  if (packet[0] !== 134) return undefined;
  const options = new Map<number, Buffer>();
  for (let at = 16; at + 8 <= packet.length; ) {
    const length = (packet[at + 1] ?? 0) * 8;
    if (length === 0) break;
    options.set(packet[at] ?? 0, packet.subarray(at, at + length));
    at += length;
  }
  const [flags = 0, prefix] = [packet[5], options.get(3)];
  return {
    managed: (flags & 0x80) !== 0,
    other: (flags & 0x40) !== 0,
    mtu: options.get(5)?.readUInt32BE(4),
    prefix: prefix && `${ipv6(prefix.subarray(16, 32))}/${prefix[2]}`,
    autonomous: prefix && ((prefix[3] ?? 0) & 0x40) !== 0,
  };
}

t.test("DHCP and router advertisements of subnets", { skip: whyNoLab() }, async (t) => {
  world = await openWorld(t);
  const folder = await mkdtemp(join(tmpdir(), "weft-dhcp-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const script = join(folder, "udhcpc.sh");
  await writeFile(script, '#!/bin/sh\n[ "$1" = bound ] && env\nexit 0\n');
  await chmod(script, 0o755);
  const namespace = await useNamespace(t, world, "weft-dhcp");
  await useSubnet(t, world, DHCP, {
    cidrBlock: "10.76.0.0/24,fd00:10:76::/112",
    mtu: 1300,
    enableDHCP: true,
    dhcpV4Options: 'dns_server=10.96.0.10,domain_name="shop.example"',
    dhcpV6Options: "dns_server=fd00:10:96::a,domain_search=shop",
    enableIPv6RA: true,
    ipv6RAConfigs: "address_mode=dhcpv6_stateful,mtu=1300,send_periodic=true,max_interval=4,min_interval=3",
  });
  await judged(world, DHCP);
  const own = {
    "dhcp-v4-options": "lease_time=120,dns_server=192.0.2.53",
    "dhcp-v6-options": "dns_server=fd00:10:96::53,domain_search=own",
  };
  const [plain, special] = await run(world, [
    idlePod(namespace, "plain", "weft-1", within(DHCP)),
    idlePod(namespace, "special", "weft-2", within(DHCP, own)),
  ]);

  await t.test("the DHCP client of busybox gets its pod's address, router, MTU and name servers", async (t) => {
    const lease = await leaseV4(script, plain!);
    t.match(lease, {
      ip: addressesOf(plain!)[0],
      subnet: "255.255.255.0",
      router: "10.76.0.1",
      mtu: "1300",
      dns: "10.96.0.10",
      domain: "shop.example",
      lease: "3600",
      serverid: "169.254.0.254",
    });
    t.match(await leaseV4(script, special!), {
      ip: addressesOf(special!)[0],
      lease: "120",
      dns: "192.0.2.53",
      router: "10.76.0.1",
    });
  });

  await t.test("a DHCPv6 client gets its pod's address and name servers", async (t) => {
    for (const [pod, server, domain] of [
      [plain!, "fd00:10:96::a", "shop"],
      [special!, "fd00:10:96::53", "own"],
    ] as const) {
      const reply = await leaseV6(pod, macOf(pod));
      t.equal(reply[0], 7, "a Reply");
      const options = optionsOf(reply.subarray(4));
      const address = optionsOf(options.get(3)?.subarray(12) ?? Buffer.alloc(0)).get(5);
      t.equal(ipv6(address?.subarray(0, 16)), addressesOf(pod)[1]);
      t.equal(ipv6(options.get(23)), server);
      const label = Buffer.from([domain.length, ...Buffer.from(domain), 0]);
      t.equal(options.get(24)?.toString("hex"), label.toString("hex"), "the search list");
    }
  });

  await t.test(
    "a running pod's own options follow its annotations, and take precedence over the subnet's",
    async (t) => {
      const annotate = async (annotations: Record<string, string | null>): Promise<void> => {
        const { name } = special!.metadata;
        await world.kube.patch(PODS, { namespace, name }, { type: "merge", body: { metadata: { annotations } } });
      };
      const optionsAre = (what: string, wanted: (v4: string, v6: string) => boolean): Promise<unknown> =>
        world.nb.until(what, () => {
          const port = world.nb.port(`${special!.metadata.name}.${namespace}`);
          const of = (uuid: string | undefined): string =>
            JSON.stringify(
              [...world.nb.mirror.rows("DHCP_Options")].find(({ _uuid }) => _uuid === uuid)?.options ?? {},
            );
          return wanted(of(port?.dhcpv4_options), of(port?.dhcpv6_options));
        });
      await annotate({
        "ovn.kubernetes.io/dhcp-v4-options": "lease_time=240,dns_server=192.0.2.54",
        "ovn.kubernetes.io/dhcp-v6-options": "dns_server=fd00:10:96::54",
      });
      await optionsAre("the new ones", (v4, v6) => v4.includes("192.0.2.54") && v6.includes("fd00:10:96::54"));
      await syncNodes(world);
      t.match(await leaseV4(script, special!), { ip: addressesOf(special!)[0], lease: "240", dns: "192.0.2.54" });
      const serverOf = async (): Promise<string> =>
        ipv6(optionsOf((await leaseV6(special!, macOf(special!))).subarray(4)).get(23));
      t.equal(await serverOf(), "fd00:10:96::54");
      await annotate({ "ovn.kubernetes.io/dhcp-v4-options": null, "ovn.kubernetes.io/dhcp-v6-options": null });
      await optionsAre("the subnet's", (v4, v6) => v4.includes("10.96.0.10") && v6.includes("fd00:10:96::a"));
      await syncNodes(world);
      t.match(await leaseV4(script, special!), { ip: addressesOf(special!)[0], lease: "3600", dns: "10.96.0.10" });
      t.equal(await serverOf(), "fd00:10:96::a");
    },
  );

  await t.test("router advertisements are unsolicited and solicited, and follow the Subnet", async (t) => {
    const wantedOf = (lines: readonly string[], wanted: (one: Advertisement) => boolean) =>
      lines.flatMap((hex) => advertisementOf(hex) ?? []).find(wanted);
    /** Solicits until a wanted advertisement arrives: an earlier answer may still be on its way. */
    const heard = async (pod: Thing, wanted: (one: Advertisement) => boolean): Promise<Advertisement | undefined> => {
      const packets = await capture(pod, "::");
      const ask = async (): Promise<Advertisement | undefined> => {
        await solicitRouter(pod);
        return wantedOf(packets.lines, wanted);
      };
      await until("a router advertisement", 40_000, ask, 1_000);
      return wantedOf(await packets.stop(), wanted);
    };
    const packets = await capture(plain!, "ff02::1");
    // The interval between them is at most max_interval (4 s).
    await packets.until("an advertisement", (lines) => wantedOf(lines, () => true) !== undefined, 30_000);
    const unasked = wantedOf(await packets.stop(), () => true);
    const stateful = { managed: true, other: false, mtu: 1300, prefix: "fd00:10:76::/112", autonomous: false };
    t.match(unasked, { managed: true, mtu: 1300, prefix: "fd00:10:76::/112", autonomous: false });
    t.match(await heard(plain!, () => true), { ...stateful, other: unasked?.other ?? false });
    await change(DHCP, { ipv6RAConfigs: "address_mode=slaac,mtu=1280" });
    const slaac = { managed: false, other: false, mtu: 1280, prefix: "fd00:10:76::/112", autonomous: true };
    t.strictSame(await heard(plain!, ({ managed }) => !managed), slaac);
  });
});

t.test("multicast goes to members only", { skip: whyNoLab() }, async (t) => {
  world = await openWorld(t);
  const namespace = await useNamespace(t, world, "weft-multicast");
  await useSubnet(t, world, MULTICAST, { cidrBlock: "10.77.0.0/24,fd00:10:77::/112" });
  await judged(world, MULTICAST);
  const annotations = within(MULTICAST);
  const [sender, near, far, other] = await run(world, [
    idlePod(namespace, "sender", "weft-1", annotations),
    idlePod(namespace, "near", "weft-1", annotations),
    idlePod(namespace, "far", "weft-2", annotations),
    idlePod(namespace, "other", "weft-2", annotations),
  ]);
  const groups = ["239.1.2.3", "ff15::1:2:3"] as const;
  const by = (pod: Thing, group: string): string => (group.includes(":") ? "eth0" : addressesOf(pod)[0]);
  const cast = (group: string, count = DATAGRAMS, bytes = BYTES): Promise<void> =>
    castToGroup(sender!, group, by(sender!, group), PORT, count, bytes);
  /** Waits until a pod that is not a member receives all of a burst, each datagram once. */
  const flooded = (group: string): Promise<unknown> =>
    until(`${group} is flooded`, 30_000, async () => {
      const packets = await capture(other!, group);
      await cast(group);
      const last = await ping(inPod(sender!), addressesOf(other!)[0], 10);
      return (await packets.stop()).length === DATAGRAMS && last.ok;
    });

  await t.test("without snooping all ports receive multicast", async (t) => {
    for (const group of groups) await flooded(group);
    t.strictSame(switchOf(world, MULTICAST)?.other_config, {});
  });

  await t.test("with snooping the querier has an address of the subnet, which the Subnet's status shows", async (t) => {
    const queries = await Promise.all([capture(far!, "224.0.0.1"), capture(far!, "ff02::1")]);
    await change(MULTICAST, { enableMulticastSnoop: true });
    const config = await world.nb.until("snooping is on", () => {
      const found = switchOf(world, MULTICAST)?.other_config;
      return found?.["mcast_snoop"] === "true" && found;
    });
    const ip = await world.ips.until(`mcast-querier.${MULTICAST}`, "exists", (found) => found);
    t.match(config, { mcast_querier: "true", mcast_ip4_src: ip.spec.v4IpAddress, mcast_eth_src: ip.spec.macAddress });
    const status = await world.subnets.until(MULTICAST, "says it", (subnet) =>
      subnet?.status?.mcastQuerierIP ? subnet.status : false,
    );
    t.match(status, {
      mcastQuerierIP: `${ip.spec.v4IpAddress},${ip.spec.v6IpAddress}`,
      mcastQuerierMAC: ip.spec.macAddress,
    });
    for (const each of queries) await each.until("a query", ({ length }) => length > 0, 30_000);
    const [v4 = [], v6 = []] = await Promise.all(queries.map((each) => each.stop()));
    const from = (packets: readonly string[], first: number, end: number): readonly string[] => [
      ...new Set(packets.map((hex) => Buffer.from(hex, "hex").subarray(first, end).toString("hex"))),
    ];
    t.strictSame(
      from(v4, 12, 16),
      [Buffer.from(ip.spec.v4IpAddress.split(".").map(Number)).toString("hex")],
      "IGMP queries",
    );
    t.strictSame(
      from(v6, 8, 24).map((hex) => ipv6(Buffer.from(hex, "hex"))),
      [config["mcast_ip6_src"]],
      "MLD queries",
    );
  });

  await t.test("with snooping members on both nodes receive each datagram, other pods none", async (t) => {
    for (const group of groups) {
      const members = await Promise.all([near!, far!].map((pod) => joinGroup(pod, group, by(pod, group), PORT)));
      // Membership reports reach both nodes through the southbound database.
      await until(`members of ${group} are known`, 60_000, async () => {
        await cast(group, 1, 1);
        return members.every(({ lines }) => lines.length > 0);
      });
      const strays = await capture(other!, group);
      await cast(group);
      const burst = (lines: readonly string[]): number => lines.filter((line) => line === String(BYTES)).length;
      for (const member of members) await member.until("each datagram", (lines) => burst(lines) >= DATAGRAMS, 20_000);
      t.ok((await ping(inPod(sender!), addressesOf(other!)[0], 10)).ok, "what was sent has come");
      const seen = await Promise.all(members.map(async (member) => burst(await member.stop())));
      seen.push((await strays.stop()).length);
      t.strictSame(seen, [DATAGRAMS, DATAGRAMS, 0], `${group}: near, far, a pod that is not a member`);
    }
  });

  await t.test("without snooping the address is released, and multicast is flooded again", async () => {
    await change(MULTICAST, { enableMulticastSnoop: false });
    await world.ips.gone(`mcast-querier.${MULTICAST}`);
    for (const group of groups) await flooded(group);
  });
});
