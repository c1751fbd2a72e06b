// SPDX-License-Identifier: Apache-2.0

import { OUTSIDE } from "../../../hack/lab/topology.ts";

const NAME = "weft-table";
export const TENANT = `${NAME}-tenant`;
/** Endpoints run on the first node; the second one is the gateway of centralized subnets. */
export const [NEAR, FAR] = ["weft-1", "weft-2"] as const;

/** The address from which FAR sends for the subnet that names one; the test gives it to the node. */
export const NAMED = { v4: "172.18.0.212", v6: "fd00:172:18::212" } as const;

/** The differences between the subnets. `by` is the node through which traffic of their pods leaves, if it is not the pod's own. */
export const KINDS = [
  { name: "nat", net: 81, vpc: undefined, by: undefined, spec: { natOutgoing: true } },
  { name: "plain", net: 82, vpc: undefined, by: undefined, spec: { natOutgoing: false } },
  {
    name: "central",
    net: 83,
    vpc: undefined,
    by: FAR,
    spec: { natOutgoing: true, gatewayType: "centralized", gatewayNode: FAR },
  },
  {
    name: "named",
    net: 84,
    vpc: undefined,
    by: FAR,
    spec: {
      natOutgoing: true,
      gatewayType: "centralized",
      gatewayNode: Object.values(NAMED)
        .map((address) => `${FAR}:${address}`)
        .join(","),
    },
  },
  {
    name: "ecmp",
    net: 86,
    vpc: undefined,
    by: undefined,
    spec: { natOutgoing: true, gatewayType: "centralized", gatewayNode: `${NEAR},${FAR}`, enableEcmp: true },
  },
  { name: "tenant", net: 85, vpc: TENANT, by: undefined, spec: {} },
] as const;
export type SubnetKind = (typeof KINDS)[number];

/** The kinds of clients. Pods of the default VPC are on the endpoint's node (`near`) or another one (`far`), whatever their subnet. */
export const CLIENTS = ["near", "far", "tenant-near", "tenant-far", "other", NEAR, FAR, OUTSIDE] as const;
export type Client = (typeof CLIENTS)[number];

/** Addresses that lead to an endpoint on NEAR. */
export const WAYS = [
  /** Its own address, as of a headless Service. */
  "pod",
  "clusterIP",
  /** The ClusterIP of a Service with `internalTrafficPolicy: Local`. */
  "internal Local",
  "externalIP",
  "load balancer",
  "nodePort near",
  "nodePort far",
  /** Of a Service with `externalTrafficPolicy: Local`. */
  "Local load balancer",
  "Local nodePort near",
  "Local nodePort far",
  /** The VIP of a SwitchLBRule. */
  "rule",
] as const;
export type Way = (typeof WAYS)[number];

/**
 * Who reaches what: `+` must reach it, `-` must not; a dot is not tested, because kube-proxy or the external network decides it, and `?` depends on the
 * client's subnet. The columns are CLIENTS.
 */
const TABLE: Readonly<Record<"default" | "tenant", Readonly<Record<Way, string>>>> = {
  default: {
    pod: "+ + - - - + + +",
    clusterIP: "+ + - - - + + .",
    "internal Local": "+ - - - - + - .",
    externalIP: "+ + - - - + + +",
    "load balancer": "+ + - - - + + +",
    "nodePort near": "+ + - - - + + +",
    "nodePort far": "+ + - - - + + +",
    "Local load balancer": "+ + - - - + + +",
    "Local nodePort near": "+ + - - - + + +",
    "Local nodePort far": "? ? - - - - + -",
    rule: "+ + - - - - - -",
  },
  // Nodes have no route to a custom VPC.
  tenant: {
    pod: "- - + + - - - -",
    clusterIP: "- - + + - - - -",
    "internal Local": "- - + - - - - -",
    externalIP: "- - + + - - - -",
    "load balancer": "- - + + - - - -",
    "nodePort near": "- - - - - - - -",
    "nodePort far": "- - - - - - - -",
    "Local load balancer": "- - + + - - - -",
    "Local nodePort near": "- - - - - - - -",
    "Local nodePort far": "- - - - - - - -",
    rule: "- - + + - - - -",
  },
};

/** One cell: a client in a subnet of a kind (none: not a pod), an endpoint in another one, and its address. */
interface Question {
  readonly client: Client;
  readonly from: SubnetKind["name"] | undefined;
  readonly to: SubnetKind;
  readonly way: Way;
  readonly kubeProxy: boolean;
}

/** Whether the client must reach the endpoint; undefined if it is not tested. */
export function mustReach({ client, from, to, way, kubeProxy }: Question): boolean | undefined {
  // A reply of such a pod leaves by either gateway, and the outside has sent its request through one.
  if (to.name === "ecmp" && way === "pod" && client === OUTSIDE) return undefined;
  const answer = TABLE[to.vpc === undefined ? "default" : "tenant"][way].split(" ")[CLIENTS.indexOf(client)];
  if (answer === "?") return kubeProxy ? undefined : ofFarPort(client, from);
  return answer === "." ? undefined : answer === "+";
}

/**
 * Whether a pod reaches an endpoint on NEAR by FAR's node port with `externalTrafficPolicy: Local`: it does if its packet comes to FAR from the
 * network of pods, because it runs on FAR, keeps its address, or has FAR as its gateway; but not if another node has sent it, as from outside.
 */
function ofFarPort(client: Client, from: SubnetKind["name"] | undefined): boolean | undefined {
  if (from === "ecmp") return undefined;
  return client === "far" || from !== "nat";
}
