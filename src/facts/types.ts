import type { Dual } from "../net/dual.ts";
import type { PortRange } from "../net/port-range.ts";
import type { AcceptedSubnet } from "./accepted.ts";
import type { InvalidAnnotation } from "./annotation-rules.ts";
import type { ChassisProblemFact } from "./database.ts";
import type { Malformed } from "./meta.ts";

/**
 * The facts: what compile and allocation may know of Kubernetes. Each is a narrow projection of one object, so that a
 * change of anything else (a status, a heartbeat, somebody's annotation) is cut off before it costs anything.
 * All addresses are canonical texts; all lists keep their order.
 */

/** One pod that takes part in the pod network (pods on the host's network never become facts). */
export interface PodFact {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** The node it is bound to; absent until the scheduler has decided. */
  readonly node?: string;
  /** False once its containers have ended for good (phase Succeeded or Failed): its address may be given away. */
  readonly alive: boolean;
  /**
   * Whose address it uses: its own (`namespace/name`), or its virtual machine's (`namespace/machine`), which outlives the
   * pods that the machine runs in.
   */
  readonly holder: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The annotations under `*.kubernetes.io/` that Weft reads or writes, as far as they have the form that they are to have. */
  readonly annotations: Readonly<Record<string, string>>;
  /** What is wrong with others; absent where nothing is. */
  readonly invalidAnnotations?: readonly InvalidAnnotation[];
  /** The named ports of its containers, in a fixed order; policies may name them. */
  readonly ports: readonly NamedPortFact[];
  /** Stands for its namespace, labels and named ports: pods with the same one are the same to every selector. */
  readonly profile: string;
  /** The networks that it names beside its own one, in order; absent where it names none, as most do. */
  readonly networks?: readonly NetworkSelectionFact[];
  /** Why what it says of networks cannot be read, in a sentence; then `networks` is absent. */
  readonly networksProblem?: string;
  /** The controlling owner, for addresses that outlive a pod. */
  readonly owner?: { readonly kind: string; readonly name: string; readonly uid: string };
}

/** One network that a pod names (Network Plumbing Working Group, "Kubernetes Network Custom Resource Definition", 4.1). */
export interface NetworkSelectionFact {
  readonly namespace: string;
  /** Of the NetworkAttachmentDefinition. */
  readonly name: string;
  /** What the interface is to be called; "" where the pod does not say. */
  readonly interface: string;
  /** The addresses that it asks for, without prefix lengths, by commas; "" for none. */
  readonly ips: string;
  /** The MAC that it asks for; "" for none. */
  readonly mac: string;
}

/** One NetworkAttachmentDefinition: what its configuration wants of us. */
export interface NetworkAttachmentFact {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /**
   * `ovn`: an interface on OVN; `ipam`: another plugin makes it and gets its address here; `other`: nothing; `unclear`: see `problem`.
   */
  readonly wants: "ovn" | "ipam" | "other" | "unclear";
  /** What is wrong with the configuration, in a sentence; "" where nothing is. */
  readonly problem: string;
}

/** A port of a container that has a name. */
export interface NamedPortFact {
  readonly name: string;
  readonly protocol: string;
  readonly number: number;
}

/** One StatefulSet: which of its pods' addresses are kept while they are away. */
export interface StatefulSetFact {
  readonly key: string;
  readonly replicas: number;
  /** `.spec.ordinals.start`. */
  readonly start: number;
  readonly deleting: boolean;
}

/** One KubeVirt VirtualMachine: its address is kept while it exists. */
export interface VirtualMachineFact {
  readonly key: string;
  readonly deleting: boolean;
}

/** One node. */
export interface NodeFact {
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  /** RFC 3339; of two objects whose names run together the older has the plain one. */
  readonly created: string;
  /** Its InternalIP of each family. */
  readonly internal: Dual<string>;
  /** Whether its kubelet says that it is; true where nobody says anything. */
  readonly ready: boolean;
  /** What its status says in condition `ADDRESS_CONDITION`; absent where it has none. */
  readonly addressProblem?: { readonly reason: string; readonly message: string };
  /** The same of condition `CHASSIS_CONDITION`. */
  readonly chassisProblem?: { readonly reason: string; readonly message: string };
  /** All of its IP addresses, sorted. */
  readonly addresses: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** One namespace. */
export interface NamespaceFact {
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** One Subnet, its defaults filled in. */
export interface SubnetFact extends Malformed {
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  /** RFC 3339; the older of two overlapping subnets keeps its addresses. */
  readonly created: string;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
  readonly isDefault: boolean;
  readonly vpc: string;
  readonly provider: string;
  readonly protocol: string;
  readonly vlan: string;
  /** Canonical CIDRs. */
  readonly cidr: Dual<string>;
  readonly gateway: Dual<string>;
  /** As written, the gateway added: addresses, `a..b` ranges. */
  readonly excludeIps: readonly string[];
  readonly namespaces: readonly string[];
  readonly namespaceSelectors: readonly LabelSelectorFact[];
  readonly gatewayType: "distributed" | "centralized";
  /** Node names of a centralized gateway, in order. */
  readonly gatewayNodes: readonly string[];
  /** Its nodes by their labels; they count where `gatewayNodes` is empty. */
  readonly gatewayNodeSelectors: readonly LabelSelectorFact[];
  readonly enableEcmp: boolean;
  readonly natOutgoing: boolean;
  readonly enableDhcp: boolean;
  readonly dhcpV4Options: string;
  readonly dhcpV6Options: string;
  readonly enableIpv6Ra: boolean;
  readonly ipv6RaConfigs: string;
  /** Whether OVN balances what its pods send to Services. */
  readonly enableLb: boolean;
  readonly mtu: number;
  /** Only its own pods, the nodes and `allowSubnets` reach its pods. */
  readonly private: boolean;
  /** As written. */
  readonly allowSubnets: readonly string[];
  readonly allowEwTraffic: boolean;
  readonly acls: readonly SubnetAclFact[];
  /** What it sets of `NOT_SUPPORTED`. */
  readonly unsupported: readonly string[];
  /** Spec fields that are empty in the object and that the controller fills in, as Kube-OVN does. */
  readonly missing: Readonly<Record<string, unknown>>;
  /** Why the spec cannot be used, in a sentence; absent where it can. */
  readonly problem?: { readonly reason: string; readonly message: string };
}

/** A Subnet as its user has written it, with the addresses that were last in force. `SubnetFact` is what is in force. */
export interface SubnetSpecFact extends SubnetFact {
  /** Whether it has any annotations. */
  readonly annotated: boolean;
  /** See `IN_FORCE_ANNOTATION`; absent where it never was in force. */
  readonly accepted?: AcceptedSubnet;
  /** Its annotation that says what nodes are to do for it, as it is; absent where it has none. */
  readonly nodeContract?: string;
}

/** One entry of `Subnet.spec.acls`, as written; the API server vouches for direction and action. */
export interface SubnetAclFact {
  readonly direction: "from-lport" | "to-lport";
  readonly priority: number;
  readonly match: string;
  readonly action: "allow" | "allow-related" | "allow-stateless" | "drop" | "reject" | "pass";
}

/** A label selector of Kubernetes (meta/v1 LabelSelector). */
export interface LabelSelectorFact {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

/** One NetworkPolicy (networking.k8s.io/v1). Its spec is kept as written: `src/policy` says what it means. */
export interface NetworkPolicyFact {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: NetworkPolicySpec;
}

/** networking.k8s.io/v1 NetworkPolicySpec. */
export interface NetworkPolicySpec {
  readonly podSelector?: LabelSelectorFact;
  readonly policyTypes?: readonly string[];
  readonly ingress?: readonly {
    readonly from?: readonly NetworkPolicyPeerFact[];
    readonly ports?: readonly NetworkPolicyPortFact[];
  }[];
  readonly egress?: readonly {
    readonly to?: readonly NetworkPolicyPeerFact[];
    readonly ports?: readonly NetworkPolicyPortFact[];
  }[];
}

/** networking.k8s.io/v1 NetworkPolicyPeer. */
export interface NetworkPolicyPeerFact {
  readonly podSelector?: LabelSelectorFact;
  readonly namespaceSelector?: LabelSelectorFact;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}

/** networking.k8s.io/v1 NetworkPolicyPort. */
export interface NetworkPolicyPortFact {
  readonly protocol?: string;
  readonly port?: number | string;
  readonly endPort?: number;
}

/** Which groups the pods of one profile are in; derived from the policies. A pod without it gets no port. */
export interface ProfileFact {
  readonly key: string;
  /** Sorted. */
  readonly groups: readonly string[];
  /** Those of the groups that not all of a pod's interfaces are in → the providers of those that are; absent where there is none. */
  readonly limited?: Readonly<Record<string, readonly string[]>>;
}

/** A group that some policy refers to; derived from the policies. */
export interface GroupFact {
  /** Its name in the northbound database. */
  readonly key: string;
  readonly group: GroupMeaning;
}

/** The addresses of a DNS name as far as they are known; derived, see `src/controller/domains`. */
export interface DomainFact {
  /** The name in lower case, without a dot at the end; `*.example.com` for every name below. */
  readonly key: string;
  /** Sorted. */
  readonly v4: readonly string[];
  /** Sorted. */
  readonly v6: readonly string[];
}

/** What is wrong with a DNS name that a policy has; derived. No fact: nothing is. */
export interface DomainStateFact {
  readonly key: string;
  /** One CamelCase word. */
  readonly reason: string;
  /** A sentence. */
  readonly message: string;
}

/** One DNSNameResolver (Kube-OVN's copy of OpenShift's): what a plugin of CoreDNS has seen a name resolve to. */
export interface NameResolverFact {
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  /** The name that it is about, as {@link DomainFact} has it. */
  readonly domain: string;
  /** The policy for which it was made; "" where a user made it. */
  readonly policy: string;
  /** Sorted. */
  readonly v4: readonly string[];
  /** Sorted. */
  readonly v6: readonly string[];
}

/** That a type which the cluster need not serve, or a database which need not be reachable, has been read; the key is the kind of its fact. */
export interface ServedFact {
  readonly key: string;
}

/** What a group consists of. */
export type GroupMeaning =
  | { readonly kind: "pods"; readonly selector: PodSelectorFact }
  | { readonly kind: "nodes"; readonly selector: LabelSelectorFact }
  /** The addresses of a DNS name; `*.example.com` means every name below. */
  | { readonly kind: "domain"; readonly domain: string };

/**
 * Pods by labels. Both parts must hold: the namespace (exactly one, or by its labels; all of them where both are absent) and the
 * pod's own labels.
 */
export interface PodSelectorFact {
  readonly namespace?: string;
  readonly namespaceSelector?: LabelSelectorFact;
  readonly podSelector: LabelSelectorFact;
  /** Only pods one of whose containers calls this number by this name. */
  readonly port?: NamedPortFact;
  /** Of pods with several interfaces only those with one of these providers, sorted; all of them where it is absent. */
  readonly providers?: readonly string[];
}

/** The numbers that pods mean by one name of a port; derived from the pods. Its key is `TCP/http`. */
export interface PortNumbersFact {
  readonly key: string;
  /** Ascending. */
  readonly numbers: readonly number[];
}

/**
 * Whether any policy is there, so that nodes need the ACLs by which they always reach their own pods. Key `cluster`: a policy that
 * selects pods; key `securityGroups`: a SecurityGroup.
 */
export interface PolicyUseFact {
  readonly key: "cluster" | "securityGroups" | "subnets";
  readonly any: true;
}

/** That a SecurityGroup exists; derived, so that its members are woken when it comes or goes, not when its rules change. */
export interface SecurityGroupPresenceFact {
  readonly key: string;
}

/** One VPC, its defaults filled in. */
export interface VpcFact extends Malformed {
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  /** RFC 3339. */
  readonly created: string;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
  readonly isDefault: boolean;
  readonly namespaces: readonly string[];
  /** The subnet of pods in those namespaces. */
  readonly defaultSubnet: string;
  readonly staticRoutes: readonly StaticRouteFact[];
  readonly policyRoutes: readonly PolicyRouteFact[];
  /** What it sets of `NOT_SUPPORTED`. */
  readonly unsupported: readonly string[];
  /** What of it cannot be. */
  readonly problems: readonly { readonly path: string; readonly reason: string; readonly message: string }[];
  /** Whether it has any annotations. */
  readonly annotated: boolean;
  /** What its `IN_FORCE_ANNOTATION` says; "" where it has none. */
  readonly accepted: string;
  /** The lists that were last in force, as far as that is known. */
  readonly former: {
    readonly staticRoutes?: readonly StaticRouteFact[];
    readonly policyRoutes?: readonly PolicyRouteFact[];
  };
}

/** One entry of `Vpc.spec.staticRoutes`. */
export interface StaticRouteFact {
  readonly policy: "policyDst" | "policySrc";
  /** A CIDR or an address. */
  readonly cidr: string;
  readonly nextHopIp: string;
  readonly routeTable: string;
}

/** One entry of `Vpc.spec.policyRoutes`. */
export interface PolicyRouteFact {
  /** Where it is in the spec. */
  readonly path: string;
  readonly priority: number;
  /** As written. */
  readonly match: string;
  readonly action: "allow" | "drop" | "reroute";
  /** Each once, of one family; with `reroute` only. */
  readonly nextHops: readonly string[];
}

/** One IP object: the record that an address is taken, and by whom. */
export interface IpFact extends Malformed {
  /** The object's name, which is also the logical port's: `<pod>.<namespace>`, `node-<node>`. */
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  /** Who holds it: `namespace/pod`, or `node:<node>`, or "" for an address that a user reserved. */
  readonly holder: string;
  /** Of which interface of a pod, by its name: `ovn` for the pod's own. */
  readonly provider: string;
  readonly subnet: string;
  readonly node: string;
  readonly v4: string;
  readonly v6: string;
  readonly mac: string;
  /** Its resource version, on which giving it back depends: it must not go where somebody has just taken it over. */
  readonly version: string;
  /** UID of the pod it was given to; "" for objects that Kube-OVN or a user made. */
  readonly podUid: string;
  readonly podType: string;
  /** RFC 3339; of two records of one address the older one stands. */
  readonly created: string;
  /** True where a user keeps it although nobody uses it (`ovn.kubernetes.io/ip_reserved=true`). */
  readonly reserved: boolean;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
}

/** What of an object cannot be as it is written. */
export interface ProblemFact {
  /** The field, as a path: `spec.ports[0].port`. */
  readonly path: string;
  /** One CamelCase word. */
  readonly reason: string;
  /** Names the value, what is wrong, and what would be accepted. */
  readonly message: string;
}

/** One port of a Service, or of its endpoints. */
export interface ServicePortFact {
  /** What a Service's port and its endpoints' have in common; "" for the only one of a Service. */
  readonly name: string;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly port: number;
}

/** One Service that has cluster addresses. */
export interface ServiceFact {
  readonly key: string;
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Its `clusterIPs`, one of each family at most. */
  readonly addresses: readonly string[];
  readonly ports: readonly ServicePortFact[];
  /** `sessionAffinity: ClientIP`: for so many seconds after its last connection a client keeps its endpoint; 0: it has none to keep. */
  readonly affinity: number;
  /** `internalTrafficPolicy: Local`: only endpoints on the client's node. */
  readonly nodeLocal: boolean;
  /** Label `service.kubernetes.io/service-proxy-name`: whose it is, if not the cluster's proxy's. */
  readonly proxy: string;
  /** The VPC that its annotation names, which the controller writes; "" where none does. */
  readonly vpc: string;
  /** The VPC that a user has chosen for it by naming router and switch; "" where it follows its endpoints. */
  readonly chosenVpc: string;
  /** What of it cannot be balanced. */
  readonly problems: readonly ProblemFact[];
}

/** One EndpointSlice of a Service. */
export interface EndpointSliceFact {
  readonly key: string;
  /** Key of the Service. */
  readonly service: string;
  /** With the numbers of its own endpoints: a named target port may have another one in each slice. */
  readonly ports: readonly ServicePortFact[];
  /** Addresses of the ready endpoints, sorted. */
  readonly ready: readonly string[];
  /** Addresses of those that end but still serve, sorted. */
  readonly draining: readonly string[];
  /** What of it cannot be balanced. */
  readonly problems: readonly ProblemFact[];
}

/**
 * Whether a subnet is in force; derived from the subnet, its neighbours and the nodes, and kept as a fact so that pods
 * are woken by a change of the verdict only. A subnet that is not in force has no rows and gives no addresses.
 */
export interface VerdictFact {
  readonly key: string;
  readonly ok: boolean;
  /** One CamelCase word. */
  readonly reason: string;
  /** A sentence that names the value, what it clashes with, and what would be accepted. */
  readonly message: string;
  /** Of a subnet that is in force with its former addresses: why its new ones are not. */
  readonly refused?: { readonly reason: string; readonly message: string };
}

/**
 * An IP object whose address is another one's; derived by the allocator. Its pod gets no port: that no two ports have one
 * address holds although two records may, for the moment that it takes to give the later one up. So it is with a Vip or an OvnEip whose status
 * names another one's address: its key is then that of its owner in IPAM, which has a slash.
 */
export interface AddressConflictFact {
  readonly key: string;
  readonly message: string;
  /** The owner in IPAM that has the address. */
  readonly holder?: string;
}

/** An object that holds addresses without an IP object: a Vip, for one; derived. Its key is that of its fact, behind the kind's. */
export interface AddressHolderFact {
  readonly key: string;
  readonly subnet: string;
  /** "" for none of that family. */
  readonly v4: string;
  readonly v6: string;
  /** The object, for people: `Vip a`. */
  readonly who: string;
}

/**
 * Which names that an object would have in the northbound database are an older one's, so that its own have a digest behind them; derived. No
 * fact: none is, which is nearly always so. See `src/compile/name-collisions.ts`.
 */
export interface NameCollisionFact {
  /** `subnet/<name>` (ports), `subnet-groups/<name>`, `node/<name>`, `vip/<name>` or `ippool/<name>`. */
  readonly key: string;
  /** What it is the name of (of groups: the node's name) → who has it, for people. */
  readonly taken: Readonly<Record<string, string>>;
}

/** The cluster's own settings (the controller's flags): one fact, key `cluster`. */
export interface ClusterFact {
  readonly key: "cluster";
  readonly router: string;
  readonly defaultSubnet: string;
  readonly joinSubnet: string;
  readonly serviceCidr: Dual<string>;
  /** CIDRs in which addresses of nodes count. */
  readonly nodeRanges: readonly string[];
  /** Where node ports of Services are, kube-apiserver's `--service-node-port-range`. Absent: nobody has said. */
  readonly nodePorts?: PortRange;
  /** Whether a KubeVirt machine has an address as long as it exists; otherwise each of its pods has one of its own. Absent: it has. */
  readonly keepVmIp?: boolean;
}

/** The facts that follow from others, by the name of their table in the store. */
export interface DerivedFactTypes {
  readonly subnets: SubnetFact;
  readonly verdicts: VerdictFact;
  readonly addressConflicts: AddressConflictFact;
  readonly profiles: ProfileFact;
  readonly groups: GroupFact;
  readonly portNumbers: PortNumbersFact;
  readonly domains: DomainFact;
  readonly domainStates: DomainStateFact;
  readonly served: ServedFact;
  readonly policyUse: PolicyUseFact;
  readonly securityGroupPresence: SecurityGroupPresenceFact;
  readonly nameCollisions: NameCollisionFact;
  readonly addressHolders: AddressHolderFact;
  readonly cluster: ClusterFact;
  readonly chassisProblems: ChassisProblemFact;
}

/** Every kind of fact by the name of its table in the store. Those of objects and of rows are added by their kinds (`src/kinds`). */
export interface FactTypes extends DerivedFactTypes {}

/** The names of the indexes of each kind that has any. Added to by kinds of objects and rows as well. */
export interface FactIndexes {
  readonly addressHolders: "subnet";
  readonly subnets: "vpc" | "provider" | "namespace" | "private" | "selects";
}

/** The name of a kind of fact. */
export type FactKind = keyof FactTypes;

/** That of one which follows from others. */
export type DerivedKind = keyof DerivedFactTypes;

/** The kinds of facts that have these fields. */
export type FactKindWith<Fields> = { [K in FactKind]: FactTypes[K] extends Fields ? K : never }[FactKind];

/** The kinds of facts each of which is of one object. */
export type ObjectKind = FactKindWith<{ readonly name: string; readonly uid: string }>;
