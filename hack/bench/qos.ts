// SPDX-License-Identifier: Apache-2.0

import { connectKube } from "../../src/kube/connect.ts";
import { createProgress } from "../host/progress.ts";
import { AGNHOST_IMAGE } from "../lab/images.ts";
import { type Lab, openLab } from "../lab/lab.ts";
import { type Arrived, flow } from "../traffic/flow.ts";
import { apply, podNetns, readyPods } from "../traffic/pods.ts";
import { type Load, loadBetween, readLoad } from "./controller-load.ts";
import { type Beside, measureBeside } from "./qos-beside.ts";
import { type Changes, measureChanges } from "./qos-changes.ts";
import { offered, planQos, type QosCell, type QosTiming, secondsOf, showLimit, TEN } from "./qos-plan.ts";

const NAMESPACE = "weft-qos-bench";
/**
 * TCP's congestion control: the kernel's default. Pods have that of the machine, which may be another, such as BBR: a figure of 10 s
 * varied by 4 % with that, and by 1.6 % with cubic.
 */
const CONGESTION = "cubic";
const KEYS = ["ingress_rate", "egress_rate"] as const;
const BURSTS = ["ingress_burst", "egress_burst"] as const;

/** One limit, and what arrived of it. */
export interface QosFigure extends Omit<QosCell, "pods"> {
  /** Mbit/s with all headers, as the limit counts: of each pod. */
  readonly got: readonly number[];
}

/** The figures of one run. */
export interface QosBench {
  readonly at: string;
  readonly seconds: number;
  /** How long all of it took, s. */
  readonly took: number;
  readonly figures: readonly QosFigure[];
  /** Without any limit, Mbit/s: what the machine lets through. */
  readonly unlimited: readonly QosFigure[];
  readonly beside: Beside;
  readonly changes: Changes;
  readonly load: Load;
}

/** Measures limits of pods on the lab. `by`: words before each iperf3, such as `nice -n -5`; with real-time priority iperf3, which polls, starves a small machine. */
export async function benchQos(options: {
  readonly seconds: number;
  readonly rates: readonly number[];
  readonly by: readonly string[];
}): Promise<QosBench> {
  const { seconds, rates, by } = options;
  const began = performance.now();
  const progress = createProgress();
  const lab = openLab(progress);
  await lab.up({ nodes: 2, cni: "weft" });
  const connection = await connectKube({ userAgent: "weft-bench", kubeconfig: lab.paths.kubeconfig });
  const [first = "", second = ""] = lab.nodes;
  const before = readLoad(lab);
  try {
    await progress.step("pods", () => apply(lab, objects(first, second)));
    const pods = await readyPods(lab, NAMESPACE, "bench=qos", 180_000);
    const netns = (name: string): string => podNetns(pods.get(name)?.uid ?? "");
    const address = (name: string): string => pods.get(name)?.addresses[0] ?? "";
    const send = (
      from: string,
      to: string,
      how: { readonly protocol: "tcp" | "udp"; readonly mbit: number; readonly port?: number },
      timing: QosTiming,
    ): Promise<Arrived> => flow(netns(from), netns(to), address(to), { ...how, ...timing, by, congestion: CONGESTION });
    const rate = ({ mbit, seconds: took }: Arrived): number => mbit / took;

    const measure = async (cell: QosCell, timing: QosTiming, port: number): Promise<QosFigure> => {
      const { pods: numbers, ...path } = cell;
      // A counter is of an interface: each flow has a receiver of its own.
      const flows = numbers.map((number, index) => {
        const [limited, other] = [name(number), peer(path.where, number)];
        const [from, to] = path.direction === "ingress" ? [other, limited] : [limited, other];
        return send(from, to, { protocol: path.protocol, mbit: offered(path.asked), port: port + index }, timing);
      });
      return { ...path, got: (await Promise.all(flows)).map(rate) };
    };
    const plan = planQos(rates, seconds);
    progress.note(`${plan.length} measurements, ${Math.ceil(secondsOf(plan))} s on a machine that keeps up`);
    const figures: QosFigure[] = [];
    let limit = showLimit(0);
    for (const [index, { title, cells, ...timing }] of plan.entries()) {
      const { asked = 0, burst } = cells[0] ?? {};
      if (showLimit(asked, burst) !== limit) await setRate(lab, asked, burst);
      limit = showLimit(asked, burst);
      const found = await progress.step(`${index + 1} of ${plan.length}: ${title}`, () =>
        Promise.all(cells.map((cell, at) => measure(cell, timing, 5201 + at * TEN))),
      );
      figures.push(...found);
      progress.note(found.map(lineOf).join("\n"));
    }
    await setRate(lab, 10);
    const timing = { settle: 1.7, seconds: 2 };
    const beside = await progress.step("a pod without limits beside ten with and without", () =>
      measureBeside(
        () => send("free", peer("across nodes", 0), { protocol: "tcp", mbit: 0, port: 5400 }, timing),
        (to) =>
          names(TEN).map((each, index) => {
            const receiver = to === "limited" ? each : peer("on a node", (index + 1) % TEN);
            return send(peer("on a node", index), receiver, { protocol: "udp", mbit: offered(10) }, timing);
          }),
      ),
    );
    const changes = await progress.step("changes of a rate", () =>
      measureChanges(connection.kube, { namespace: NAMESPACE, name: name(0) }, [
        netns(peer("on a node", 0)),
        netns(name(0)),
        address(name(0)),
      ]),
    );
    return {
      at: new Date().toISOString(),
      seconds,
      took: (performance.now() - began) / 1_000,
      figures: figures.filter(({ asked }) => asked > 0),
      unlimited: figures.filter(({ asked }) => asked === 0),
      changes,
      beside,
      load: loadBetween(before, readLoad(lab)),
    };
  } finally {
    connection.close();
    await lab.kubectl(["delete", "namespace", NAMESPACE, "--wait=false"]);
  }
}

/** A figure in one line. */
function lineOf({ asked, burst, direction, protocol, where, got }: QosFigure): string {
  const shown = got.map((value) => value.toFixed(value < 10 ? 2 : 1)).join(" ");
  return `  ${showLimit(asked, burst)}, ${protocol} ${direction} ${where}: ${shown}`;
}

const name = (index: number): string => `limited-${index}`;
const peer = (where: QosCell["where"], index: number): string => `${where === "on a node" ? "near" : "far"}-${index}`;
const names = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => name(index));

/** Sets the limits of all ten pods, and waits until the controller has recorded them. `burst`: Mbit; absent: the default. */
async function setRate(lab: Lab, mbit: number, burst?: number): Promise<void> {
  const pods = names(TEN).map((each) => `pod/${each}`);
  await lab.kubectl([
    ...["annotate", "-n", NAMESPACE, "--overwrite", ...pods],
    ...KEYS.map((key) => `ovn.kubernetes.io/${key}=${mbit}`),
    ...BURSTS.map((key) => `ovn.kubernetes.io/${key}${burst === undefined ? "-" : `=${burst}`}`),
  ]);
  const limit = { rate: mbit * 1_000, burst: burst === undefined ? mbit * 800 : burst * 1_000 };
  const record = `jsonpath={.metadata.annotations.weft\\.kubeovn\\.io/qos}=${JSON.stringify({ ovn: { ingress: limit, egress: limit } })}`;
  await lab.kubectl(["wait", "-n", NAMESPACE, ...pods, `--for=${record}`, "--timeout=60s"]);
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
    ...names(TEN).map((_, index) => pod(peer("on a node", index), first)),
    ...names(TEN).map((_, index) => pod(peer("across nodes", index), second)),
    pod("free", first),
  ];
}
