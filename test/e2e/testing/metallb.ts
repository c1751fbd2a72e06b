// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { createProgress } from "../../../hack/host/progress.ts";
import { ensureProgramImage } from "../../../hack/lab/images.ts";
import type { Both } from "../../../hack/lab/topology.ts";
import { ensureMetallb } from "../../../hack/tools/metallb.ts";
import { apply } from "../../../hack/traffic/pods.ts";
import type { Thing } from "./objects.ts";
import { isReady } from "./pods.ts";
import { when } from "./when.ts";
import type { World } from "./world.ts";

const NAMESPACE = "metallb-system";
/** Its programs verify a certificate that its controller makes and kubelet brings to its volume, which may take a minute. */
const STARTS_MS = 180_000;

/** The real MetalLB, as its own manifest installs it. */
export interface RunningMetallb {
  /** Gives Services without a class, or of its class, addresses of these ranges, and answers for them by ARP and neighbour discovery. */
  pool(name: string, ranges: Both): Promise<void>;
  /** As `pool`, but it announces them nowhere, or to the peers by its own BGP: that knows IPv4 alone. */
  bgpPool(name: string, ranges: Pick<Both, "v4"> & Partial<Both>, peers?: BgpPeers): Promise<void>;
  /** The pods of one of its programs. */
  pods(component: "controller" | "speaker"): readonly Thing[];
  /** Starts both programs again, from now on for Services of this class alone, or for those without one. Resolves when they are Ready. */
  restart(loadBalancerClass?: string): Promise<void>;
}

/** The sessions of its speakers with one router. */
export interface BgpPeers {
  readonly asn: number;
  readonly router: string;
  readonly routerAsn: number;
  readonly holdS: number;
  /** Node → the address from which its speaker connects. */
  readonly sources: ReadonlyMap<string, string>;
}

/** Runs MetalLB on the lab until the end of the test. Resolves when its pods are Ready. */
export async function useMetallb(t: Test, world: World): Promise<RunningMetallb> {
  const { lab } = world;
  const progress = createProgress();
  const { manifest, programs } = await ensureMetallb(progress);
  for (const { image, path } of programs) await lab.importImage(await ensureProgramImage(image, path, progress));
  t.teardown(() => lab.kubectl(["delete", "--ignore-not-found", "--timeout=120s", "-f", manifest]));
  await lab.kubectl(["apply", "--server-side", "-f", manifest]);
  const pods: RunningMetallb["pods"] = (component) =>
    world.pods
      .values()
      .filter(({ metadata }) => metadata.namespace === NAMESPACE && metadata.labels?.["component"] === component);
  const ready = (not: ReadonlySet<string>): Promise<unknown> =>
    when(
      (listener) => world.pods.subscribe(listener),
      () =>
        [pods("controller"), pods("speaker")].every((of, i) => {
          const wanted = i === 0 ? 1 : lab.nodes.length;
          return of.length === wanted && of.every((pod) => isReady(pod) && !not.has(pod.metadata.uid));
        }),
      "MetalLB is Ready",
      STARTS_MS,
    );
  await ready(new Set());
  return {
    pods,
    async pool(name, { v4, v6 }) {
      const about = { apiVersion: "metallb.io/v1beta1", metadata: { namespace: NAMESPACE, name } };
      await apply(lab, [
        { ...about, kind: "IPAddressPool", spec: { addresses: [v4, v6] } },
        { ...about, kind: "L2Advertisement", spec: { ipAddressPools: [name] } },
      ]);
    },
    async bgpPool(name, { v4, v6 }, peers) {
      const about = (what: string) => ({ metadata: { namespace: NAMESPACE, name: what } });
      const group = "metallb.io/v1beta1";
      const addresses = [v4, ...(v6 === undefined ? [] : [v6])];
      const advertised = { ipAddressPools: [name] };
      await apply(lab, [
        { apiVersion: group, kind: "IPAddressPool", ...about(name), spec: { addresses } },
        ...(peers === undefined
          ? []
          : [{ apiVersion: group, kind: "BGPAdvertisement", ...about(name), spec: advertised }]),
        ...[...(peers?.sources ?? [])].map(([node, sourceAddress]) => ({
          ...{ apiVersion: "metallb.io/v1beta2", kind: "BGPPeer", ...about(`${name}-${node}`) },
          spec: {
            ...{ myASN: peers?.asn, peerASN: peers?.routerAsn, peerAddress: peers?.router, sourceAddress },
            ...{ holdTime: `${peers?.holdS}s`, nodeSelectors: [{ matchLabels: { "kubernetes.io/hostname": node } }] },
          },
        })),
      ]);
    },
    async restart(loadBalancerClass) {
      const old = new Set([...pods("controller"), ...pods("speaker")].map(({ metadata }) => metadata.uid));
      for (const [kind, name] of [
        ["deployment", "controller"],
        ["daemonset", "speaker"],
      ] as const) {
        const args = ["--port=7472", "--log-level=info"];
        if (loadBalancerClass !== undefined) args.push(`--lb-class=${loadBalancerClass}`);
        // A pod template without a change would start nothing.
        const metadata = { annotations: { "kubectl.kubernetes.io/restartedAt": new Date().toISOString() } };
        const template = { metadata, spec: { containers: [{ name, args }] } };
        const patch = JSON.stringify({ spec: { template } });
        await lab.kubectl(["-n", NAMESPACE, "patch", kind, name, "-p", patch]);
      }
      await ready(old);
    },
  };
}
