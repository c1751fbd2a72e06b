// SPDX-License-Identifier: Apache-2.0

import { createProgress } from "../host/progress.ts";
import { AGNHOST_IMAGE } from "../lab/images.ts";
import { type Lab, openLab } from "../lab/lab.ts";
import { type Arrived, flow, receivedBytes } from "../traffic/flow.ts";
import { apply, podNetns, readyPods } from "../traffic/pods.ts";
import { type Load, loadBetween, readLoad } from "./controller-load.ts";

const NAMESPACE = "weft-qos-bench";
/** Pods side by side. */
const TEN = 10;
const KEYS = ["ingress_rate", "egress_rate"] as const;

/** One limit, and what arrived of it. */
export interface QosFigure {
  /** Mbit/s */
  readonly asked: number;
  /** Seen from the limited pod. */
  readonly direction: "ingress" | "egress";
  readonly protocol: "tcp" | "udp";
  readonly where: "on a node" | "across nodes";
  /** Mbit/s with all headers, as the limit counts: of each pod. */
  readonly got: readonly number[];
}

/** The figures of one run. */
export interface QosBench {
  readonly at: string;
  readonly seconds: number;
  readonly figures: readonly QosFigure[];
  /** Without any limit, Mbit/s: what the machine lets through. */
  readonly unlimited: readonly QosFigure[];
  /** TCP of a pod without limits, Mbit/s: alone, and while ten pods beside it use their limits of 10 Mbit/s up. */
  readonly beside: { readonly alone: number; readonly together: number };
  /** From the request that changes a rate to packets at the new one, ms. */
  readonly changeMs: readonly number[];
  readonly load: Load;
}

/** Measures limits of pods on the lab. `by`: words before each iperf3, such as `nice -n -5`; with real-time priority iperf3, which polls, starves a small machine. */
export async function benchQos(options: {
  readonly seconds: number;
  readonly rates: readonly number[];
  readonly by: readonly string[];
}): Promise<QosBench> {
  const { seconds, rates, by } = options;
  const progress = createProgress();
  const lab = openLab(progress);
  await lab.up({ nodes: 2, cni: "weft" });
  const [first = "", second = ""] = lab.nodes;
  const before = readLoad(lab);
  try {
    await progress.step("pods", () => apply(lab, objects(first, second)));
    const pods = await readyPods(lab, NAMESPACE, "bench=qos", 180_000);
    const netns = (name: string): string => podNetns(pods.get(name)?.uid ?? "");
    const address = (name: string): string => pods.get(name)?.addresses[0] ?? "";
    const send = (from: string, to: string, protocol: "tcp" | "udp", mbit: number, port = 5201): Promise<Arrived> =>
      flow(netns(from), netns(to), address(to), { protocol, mbit, seconds, settle: 2, port, by });
    const rate = ({ mbit, seconds: took }: Arrived): number => mbit / took;

    const measure = async (asked: number, count: number): Promise<readonly QosFigure[]> => {
      const figures: QosFigure[] = [];
      for (const [where, peer] of [
        ["on a node", "near"],
        ["across nodes", "far"],
      ] as const) {
        for (const direction of ["ingress", "egress"] as const) {
          for (const protocol of ["tcp", "udp"] as const) {
            // A fifth more than is let through shows a limit as well as ten times as much, and costs less CPU.
            const offered = asked === 0 ? 1_000 : asked * 1.2;
            const flows = names(count).map((name, index) => {
              const [from, to] = direction === "ingress" ? [peer, name] : [name, peer];
              return send(from, to, protocol, offered, 5201 + index);
            });
            figures.push({ asked, direction, protocol, where, got: (await Promise.all(flows)).map(rate) });
          }
        }
      }
      return figures;
    };
    const unlimited = await progress.step("without limits", () => measure(0, 1));
    const alone = rate(await send("free", "far", "tcp", 0));
    const figures: QosFigure[] = [];
    for (const asked of rates) {
      await setRate(lab, asked);
      for (const count of [1, TEN]) {
        figures.push(...(await progress.step(`${asked} Mbit/s, ${count} pods`, () => measure(asked, count))));
      }
    }
    await setRate(lab, 10);
    const [together] = await progress.step("beside limited pods", () =>
      Promise.all([
        send("free", "far", "tcp", 0, 5300),
        ...names(TEN).map((name, index) => send("near", name, "udp", 12, 5201 + index)),
      ]),
    );
    const changeMs = await progress.step("changes of a rate", () =>
      changes(lab, netns("near"), netns(name(0)), address(name(0))),
    );
    return {
      at: new Date().toISOString(),
      ...{ seconds, figures, unlimited, changeMs },
      beside: { alone, together: together === undefined ? Number.NaN : rate(together) },
      load: loadBetween(before, readLoad(lab)),
    };
  } finally {
    await lab.kubectl(["delete", "namespace", NAMESPACE, "--wait=false"]);
  }
}

const name = (index: number): string => `limited-${index}`;
const names = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => name(index));

/** Sets the limits of all ten pods, and waits until the controller has recorded them. */
async function setRate(lab: Lab, mbit: number): Promise<void> {
  const pods = names(TEN).map((each) => `pod/${each}`);
  await lab.kubectl([
    "annotate",
    "-n",
    NAMESPACE,
    "--overwrite",
    ...pods,
    ...KEYS.map((key) => `ovn.kubernetes.io/${key}=${mbit}`),
  ]);
  const record = `jsonpath={.metadata.annotations.weft\\.kubeovn\\.io/qos}={"ovn":{"ingress":{"rate":${mbit * 1_000},"burst":${mbit * 800}},"egress":{"rate":${mbit * 1_000},"burst":${mbit * 800}}}}`;
  await lab.kubectl(["wait", "-n", NAMESPACE, ...pods, `--for=${record}`, "--timeout=60s"]);
}

/** Raises the rate of a pod under 40 Mbit/s of datagrams from 1 to 100 Mbit/s, some times: how long it takes until ten milliseconds bring what 1 Mbit/s cannot. */
async function changes(lab: Lab, from: string, to: string, address: string): Promise<readonly number[]> {
  const found: number[] = [];
  for (let turn = 0; turn < 5; turn++) {
    await setRate(lab, 1);
    const flowing = flow(from, to, address, { protocol: "udp", mbit: 40, seconds: 6, settle: 3 });
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    const started = performance.now();
    const changed = lab.kubectl([
      "annotate",
      "-n",
      NAMESPACE,
      "--overwrite",
      `pod/${name(0)}`,
      "ovn.kubernetes.io/ingress_rate=100",
    ]);
    const { resolve, promise } = Promise.withResolvers<number>();
    let last = receivedBytes(to);
    const timer = setInterval(() => {
      const now = receivedBytes(to);
      if (now - last > 20 * 1_342) resolve(performance.now() - started);
      last = now;
    }, 10);
    found.push(await promise);
    clearInterval(timer);
    await Promise.all([changed, flowing]);
  }
  return found;
}

function objects(first: string, second: string): readonly object[] {
  const pod = (of: string, node: string): object => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: of, namespace: NAMESPACE, labels: { bench: "qos" } },
    spec: {
      nodeSelector: { "kubernetes.io/hostname": node },
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "main", image: AGNHOST_IMAGE, imagePullPolicy: "Never", args: ["pause"] }],
    },
  });
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } },
    ...names(TEN).map((each) => pod(each, first)),
    ...["near", "free"].map((each) => pod(each, first)),
    pod("far", second),
  ];
}
