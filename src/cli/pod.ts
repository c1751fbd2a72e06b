// SPDX-License-Identifier: Apache-2.0

import {
  ipamAttachmentProvider,
  NODE,
  OVN_PROVIDER,
  ovnAttachmentProvider,
  POD,
  type PodKey,
  podAnnotation,
} from "../api/annotations.ts";
import { CHASSIS_CONDITION } from "../api/names.ts";
import { podPortName } from "../api/port-names.ts";
import { suffixOf } from "../claims/pod-interfaces.ts";
import { readQosRequest } from "../contract/bandwidth-annotations.ts";
import { decodePodQos, showBandwidth, showNetem } from "../contract/qos-record.ts";
import { type AttachmentObject, projectAttachment } from "../facts/project-attachment.ts";
import { projectNetworks } from "../facts/project-networks.ts";
import { unlessNotFound } from "../kube/errors.ts";
import type { Kube } from "../kube/kube.ts";
import type { KubeObject, ObjectRef } from "../kube/object.ts";
import { IPS, NETWORK_ATTACHMENTS, NODES, PODS, type ResourceType } from "../kube/resources.ts";
import type { NodeCondition } from "./status.ts";
import { formatTable } from "./table.ts";

/** One step of a pod's way to its network. */
export interface PodStep {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
}

type Loose = Readonly<Record<string, unknown>>;

/** Checks the steps of a pod's way to its network, object by object; the first step that is not ok is the cause. */
export async function podSteps(kube: Kube, namespace: string, name: string): Promise<readonly PodStep[]> {
  const pod = await find(kube, PODS, { namespace, name });
  if (pod === undefined)
    return [{ what: "pod", ok: false, detail: `there is no pod ${name} in namespace ${namespace}` }];
  const spec = (pod.spec ?? {}) as Loose;
  const annotations = pod.metadata.annotations ?? {};
  const steps: PodStep[] = [{ what: "pod", ok: true, detail: `uid ${pod.metadata.uid}` }];
  if (spec["hostNetwork"] === true)
    return [
      ...steps,
      { what: "network", ok: true, detail: "the node's own; Weft does not manage it" },
      ...hostQosSteps(annotations),
    ];
  const nodeName = String(spec["nodeName"] ?? "");
  steps.push({ what: "bound to a node", ok: nodeName !== "", detail: nodeName || "the scheduler has not decided yet" });

  // A virtual machine's pod has the machine's address.
  const machine = annotations[podAnnotation(OVN_PROVIDER, "virtualmachine")];
  const port = podPortName(machine ?? name, namespace);
  const ip = await find(kube, IPS, { name: port });
  const record = (ip?.spec ?? {}) as Loose;
  const committed = annotations[podAnnotation(OVN_PROVIDER, "routed")] === "true";
  const addresses = (((pod.status as Loose | undefined)?.["podIPs"] ?? []) as { ip: string }[]).map(
    (entry) => entry.ip,
  );
  const maker = ip === undefined && !committed ? otherPrimary(pod, addresses.length > 0) : undefined;
  if (maker !== undefined) steps.push({ what: "primary interface", ok: true, detail: maker });
  else
    steps.push({
      what: "address recorded",
      ok: ip !== undefined,
      detail:
        ip === undefined
          ? "no IP object: see the pod's Events (AcquireAddressFailed) and `weftctl status`"
          : `IP ${port}: ${[record["v4IpAddress"], record["v6IpAddress"]].filter(Boolean).join(" ")} ${record["macAddress"]} in subnet ${record["subnet"]}`,
    });
  if (maker === undefined)
    steps.push({
      what: "port in OVN",
      ok: committed,
      detail: committed
        ? `logical switch ${annotations[podAnnotation(OVN_PROVIDER, "logical_switch")]}, port ${port}`
        : "not committed: see the controller's log and `weft-controller plan`",
    });
  const node = nodeName === "" ? undefined : await find(kube, NODES, { name: nodeName });
  const chassis = node?.metadata.annotations?.[NODE.chassis];
  const conditions = ((node?.status as Loose | undefined)?.["conditions"] ?? []) as readonly NodeCondition[];
  const problem = conditions.find(({ type }) => type === CHASSIS_CONDITION);
  const known = chassis ? `chassis ${chassis}` : "the node's daemon has not reported its chassis";
  steps.push({
    what: "node in OVN",
    ok: chassis !== undefined && problem === undefined,
    detail: problem?.message ?? known,
  });
  steps.push({
    what: "network in the pod",
    ok: addresses.length > 0,
    detail:
      addresses.length > 0
        ? addresses.join(" ")
        : `CNI ADD has not succeeded: see the log of weft-daemon on ${nodeName || "its node"}`,
  });
  return [...steps, ...(await networkSteps(kube, pod)), ...qosSteps(annotations)];
}

/** The creator of a pod's primary interface if Weft has no address for it; undefined if it is Weft. */
function otherPrimary({ metadata }: KubeObject, runs: boolean): string | undefined {
  if (projectNetworks(metadata).replacesPrimary) return `that of the network in ${POD.defaultNetwork}`;
  return runs ? "another network plugin's; Weft does not manage it" : undefined;
}

/** The limits that a pod on its node's network requests without effect, because it has no port. */
function hostQosSteps(annotations: Readonly<Record<string, string>>): readonly PodStep[] {
  const asked = Object.entries(readQosRequest(annotations, OVN_PROVIDER)).filter(([, { state }]) => state !== "absent");
  if (asked.length === 0) return [];
  const which = asked.map(([what]) => what).join(", ");
  const detail = `limits (${which}) of a pod on its node's network are not enforced; annotations ${podAnnotation(OVN_PROVIDER, "ingress_rate")} and egress_rate of the Node limit the node's ovn0`;
  return [{ what: "QoS", ok: false, detail }];
}

/** The QoS that is active on each interface, as recorded by the controller. */
function qosSteps(annotations: Readonly<Record<string, string>>): readonly PodStep[] {
  return Object.entries(decodePodQos(annotations[POD.qos])).map(([provider, { ingress, egress, netem, problem }]) => {
    const active = [
      ingress && `to the pod ${showBandwidth(ingress)}`,
      egress && `from the pod ${showBandwidth(egress)}`,
      // Only the node knows whether its kernel has netem.
      netem && `${showNetem(netem)} if the node can emulate it (else Event QoSNotApplied)`,
    ];
    const shown = active.filter(Boolean).join(", ") || "no limit is active";
    return {
      what: `QoS of ${provider}`,
      ok: problem === undefined,
      detail: problem === undefined ? shown : `${shown}: ${problem}`,
    };
  });
}

/** The state of the secondary networks that a pod names. */
async function networkSteps(kube: Kube, { metadata }: KubeObject): Promise<readonly PodStep[]> {
  const { annotations = {} } = metadata;
  const { networks = [], networksProblem } = projectNetworks(metadata);
  if (networksProblem !== undefined) return [{ what: "further networks", ok: false, detail: networksProblem }];
  const steps: PodStep[] = [];
  for (const network of networks) {
    const { namespace, name, interface: asked } = network;
    const called = suffixOf(networks, network, annotations);
    const shown = called ?? asked;
    const what = `network ${namespace}/${name}${shown && ` (${shown})`}`;
    const providers = [ovnAttachmentProvider(name, namespace, called), ipamAttachmentProvider(name, namespace, called)];
    const provider = providers.find((one) => annotations[podAnnotation(one, "allocated")] === "true");
    if (provider !== undefined) {
      const annotation = (key: PodKey): string => annotations[podAnnotation(provider, key)] ?? "";
      const has = [annotation("ip_address"), annotation("mac_address")].filter((part) => part !== "").join(" ");
      steps.push({ what, ok: true, detail: `${provider}: ${has} in subnet ${annotation("logical_switch")}` });
      continue;
    }
    const definition = await find(kube, NETWORK_ATTACHMENTS, { namespace, name });
    const { wants, problem } =
      definition === undefined ? NO_DEFINITION : projectAttachment(definition as AttachmentObject);
    const missing = problem || "no address: see the pod's Events (AcquireAddressFailed)";
    steps.push({
      what,
      ok: wants === "other",
      detail: wants === "other" ? "another plugin's; Weft does not manage it" : missing,
    });
  }
  return steps;
}

const NO_DEFINITION = { wants: "unclear", problem: "there is no such NetworkAttachmentDefinition" } as const;

/** The steps as a table. */
export function formatSteps(steps: readonly PodStep[]): string {
  return formatTable(
    ["", "STEP", "DETAIL"],
    steps.map(({ ok, what, detail }) => [ok ? "✓" : "✗", what, detail]),
  );
}

function find(kube: Kube, type: ResourceType, ref: ObjectRef): Promise<KubeObject | undefined> {
  return kube.get(type, ref).catch(unlessNotFound);
}
