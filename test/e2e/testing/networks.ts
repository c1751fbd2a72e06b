// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "tap";
import { parse } from "yaml";
import { type Exec, urlHost } from "../../../hack/traffic/probe.ts";
import { DEFAULT_SERVER_SOCKET } from "../../../src/api/cni-message.ts";
import type { KubeObject, NewObject } from "../../../src/kube/object.ts";
import { CRDS, NETWORK_ATTACHMENTS, typeName } from "../../../src/kube/resources.ts";
import { established, Objects, type Thing } from "./objects.ts";
import { inPod } from "./pods.ts";
import type { World } from "./world.ts";

/** Installs Multus' CRD during a test; resolves when it is served. */
export async function useNetworkType(t: Test, { kube }: World): Promise<void> {
  const name = typeName(NETWORK_ATTACHMENTS);
  const crds = new Objects(kube, CRDS);
  await crds.ready();
  t.teardown(async () => {
    await kube.delete(CRDS, { name });
    await crds.gone(name);
    await crds.stop();
  });
  const text = readFileSync(join(import.meta.dirname, "../crds/k8s.cni.cncf.io.yaml"), "utf8");
  if (crds.get(name) === undefined) await kube.create(CRDS, parse(text) as NewObject<KubeObject>);
  await established(crds, NETWORK_ATTACHMENTS);
}

/** Creates a NetworkAttachmentDefinition; `config` is its CNI configuration. */
export function createNetwork({ kube }: World, namespace: string, name: string, config: object): Promise<unknown> {
  const spec = { config: JSON.stringify(config) };
  return kube.create<Thing>(NETWORK_ATTACHMENTS, { metadata: { namespace, name }, spec, status: undefined });
}

/** The configuration of a network on OVN. */
export function ovnNetwork(name: string, namespace: string): object {
  const provider = `${name}.${namespace}.ovn`;
  return { cniVersion: "1.0.0", name, type: "kube-ovn", server_socket: DEFAULT_SERVER_SOCKET, provider };
}

/** The configuration of a macvlan network on the nodes' eth0, with addresses from Weft. */
export function macvlanNetwork(name: string, namespace: string): object {
  const ipam = { type: "kube-ovn", server_socket: DEFAULT_SERVER_SOCKET, provider: `${name}.${namespace}` };
  return { cniVersion: "1.0.0", name, type: "macvlan", master: "eth0", mode: "bridge", ipam };
}

/** An interface of a pod as the kernel shows it. */
export interface SeenInterface {
  readonly mac: string;
  /** `address/prefix` without link-local ones, IPv4 first. */
  readonly addresses: readonly string[];
  /** Destinations of its routes; `default` for the default ones. */
  readonly routes: readonly string[];
}

/** A pod's interface as seen inside the pod; undefined if there is none. */
export async function lookInside(pod: Thing, name: string): Promise<SeenInterface | undefined> {
  const exec = inPod(pod);
  const [link] = await json<{ address: string; addr_info: Info[] }>(exec, ["ip", "-json", "address", "show", name]);
  if (link === undefined) return undefined;
  const routes = [
    ...(await json<{ dst: string }>(exec, ["ip", "-json", "route", "show", "dev", name])),
    ...(await json<{ dst: string }>(exec, ["ip", "-6", "-json", "route", "show", "dev", name])),
  ];
  const addresses = link.addr_info.filter(({ scope }) => scope !== "link");
  return {
    mac: link.address,
    addresses: addresses.map(({ local, prefixlen }) => `${local}/${prefixlen}`),
    routes: routes.map(({ dst }) => dst),
  };
}

/**
 * The source address that a web server sees of a pod that connects through one of its interfaces; "" if the connection fails. Packets of the pod's kernel to a
 * subnet leave through the first interface in it, unless a program binds to another one.
 */
export async function seenFrom(pod: Thing, ifName: string, server: string): Promise<string> {
  const url = `http://${urlHost(server)}:8080/clientip`;
  const options = ["-sS", "-g", "--noproxy", "*", "--max-time", "5", "--interface", ifName];
  const { stdout } = await inPod(pod)(["curl", ...options, url]);
  return stdout.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}

interface Info {
  readonly scope: string;
  readonly local: string;
  readonly prefixlen: number;
}

async function json<T>(exec: Exec, command: readonly string[]): Promise<readonly T[]> {
  const { code, stdout } = await exec(command);
  return code === 0 && stdout !== "" ? (JSON.parse(stdout) as readonly T[]) : [];
}
