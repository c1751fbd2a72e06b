// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { type Check, formatChecks } from "./check.ts";
import { atLeast, checkCluster } from "./cluster.ts";
import type { ClusterFacts, NodeFacts } from "./facts.ts";

const NODE: NodeFacts = {
  name: "a",
  os: "linux",
  architecture: "amd64",
  kernel: "6.1.0-13-amd64",
  osImage: "Debian GNU/Linux 12",
  runtime: "containerd://1.7.27",
  kubelet: "v1.34.4",
  reports: true,
  internalIps: ["172.18.0.11"],
  podCidrs: [],
};
const FACTS: ClusterFacts = {
  version: "v1.34.4",
  nodes: [NODE],
  daemonSets: [{ name: "kube-system/kube-proxy", images: ["kube-proxy:v1.34.4"] }],
  crds: [],
  proxyMode: "",
  serviceRanges: { v4: "10.96.0.0/12" },
  admissionPolicies: true,
  deployed: undefined,
  lease: undefined,
};
const VALUES = {
  ipFamily: "ipv4",
  ipv4: { POD_CIDR: "10.16.0.0/16", SVC_CIDR: "10.96.0.0/12", JOIN_CIDR: "100.64.0.0/16" },
  ipv6: { POD_CIDR: "fd00:10:16::/112", SVC_CIDR: "fd00:10:96::/112", JOIN_CIDR: "fd00:100:64::/112" },
};

const wrong = (facts: Partial<ClusterFacts>, values: object = {}): readonly Check[] =>
  checkCluster({ ...FACTS, ...facts }, { ...VALUES, ...values }).filter(({ result }) => result !== "ok");

t.test("a suitable cluster is ok in every line", async (t) => {
  t.same(wrong({}), []);
  t.match(
    formatChecks(checkCluster(FACTS, VALUES)),
    /^SUBJECT +CHECK +RESULT +FOUND\ncluster +Kubernetes +ok +v1\.34\.4\n/,
  );
});

t.test("each obstacle to Weft is one failed line, with what to do", async (t) => {
  const failed = (facts: Partial<ClusterFacts>, found: RegExp, advice: RegExp): unknown =>
    t.match(wrong(facts), [{ result: "failed", found, advice }], String(found));
  failed({ version: "v1.29.9" }, /^v1\.29\.9$/, /1\.31 or newer/);
  failed({ admissionPolicies: false }, /no Validating/, /validateAnnotations=false/);
  failed({ nodes: [{ ...NODE, kernel: "5.4.0-150-generic" }] }, /^5\.4\.0/, /5\.10 or newer/);
  failed({ nodes: [{ ...NODE, architecture: "s390x" }] }, /s390x/, /amd64 and arm64/);
  failed({ nodes: [{ ...NODE, runtime: "containerd://1.5.9" }] }, /1\.5\.9/, /1\.6 or newer/);
  failed({ nodes: [{ ...NODE, internalIps: [] }] }, /no InternalIP/, /--node-ip/);
  t.same(wrong({ admissionPolicies: false }, { validateAnnotations: false }), [], "unused components need not exist");
});

t.test("with nonPrimaryCNI another network is required, and its absence and that of Multus are reported", async (t) => {
  const values = { nonPrimaryCNI: true };
  const cilium = { name: "kube-system/cilium", images: ["cilium:v1"] };
  const multus = { name: "kube-system/kube-multus-ds", images: ["multus-cni:v4"] };
  const [proxy] = FACTS.daemonSets;
  t.same(wrong({ daemonSets: [proxy!, cilium, multus], crds: ["ciliumnodes.cilium.io"] }, values), []);
  t.match(wrong({ daemonSets: [proxy!, cilium] }), [{ name: "other networks", result: "failed", found: /Cilium/ }]);
  t.match(wrong({}, values), [
    { name: "Multus", result: "warning", advice: /attaches Weft's networks/ },
    { name: "primary network", result: "warning", advice: /creates eth0/ },
  ]);
});

t.test("a node whose kubelet does not report is a warning, because its pods are waited for", async (t) => {
  t.match(wrong({ nodes: [{ ...NODE, reports: false }] }), [
    { name: "kubelet", result: "warning", advice: /delete its Node/ },
  ]);
});

t.test("another network is named; its remains are a warning; Multus and an installed Weft are not", async (t) => {
  const sets = (name: string, image = "x") => ({ daemonSets: [...FACTS.daemonSets, { name, images: [image] }] });
  t.match(wrong(sets("kube-flannel/kube-flannel-ds")), [
    { result: "failed", found: /^Flannel: DaemonSet kube-flannel\/kube-flannel-ds/ },
  ]);
  t.match(wrong(sets("calico-system/calico-node")), [{ result: "failed", found: /^Calico/ }]);
  t.match(wrong(sets("kube-system/cilium")), [{ result: "failed", found: /^Cilium/ }]);
  t.match(wrong(sets("kube-system/kube-ovn-cni")), [{ result: "failed", found: /^Kube-OVN/, advice: /keep its CRDs/ }]);
  t.match(wrong({ crds: ["ippools.crd.projectcalico.org"] }), [{ result: "warning", found: /^Calico: 1 CRDs/ }]);
  t.match(wrong({ crds: ["subnets.kubeovn.io"] }), [{ result: "warning", found: /^1 exist/ }]);
  t.same(wrong(sets("kube-system/kube-multus-ds", "multus-cni:v4")), []);
  const deployed = { version: "0.1.0", image: "weft:0.1.0" } as NonNullable<ClusterFacts["deployed"]>;
  t.same(wrong({ ...sets("kube-system/kube-ovn-cni"), crds: ["subnets.kubeovn.io"], deployed }), []);
});

t.test(
  "ranges that overlap, contain a node, or are not the API server's Services are named with the option to set",
  async (t) => {
    const ranges = (change: object): readonly Check[] => wrong({}, { ipv4: { ...VALUES.ipv4, ...change } });
    t.match(ranges({ POD_CIDR: "10.100.0.0/16" }), [
      { found: /^pods 10\.100\.0\.0\/16 overlaps with Services/, advice: /--set ipv4\.POD_CIDR/ },
    ]);
    t.match(ranges({ JOIN_CIDR: "172.18.0.0/16" }), [
      { found: /^join subnet 172\.18\.0\.0\/16 contains 172\.18\.0\.11 of node a/ },
    ]);
    t.match(ranges({ SVC_CIDR: "10.112.0.0/12" }), [
      { found: /API server has 10\.96\.0\.0\/12/, advice: /SVC_CIDR=10\.96\.0\.0\/12/ },
    ]);
    t.match(ranges({ POD_CIDR: "10.16.0.0" }), [{ found: /^pods: "10\.16\.0\.0" is not an IPv4 range/ }]);
    t.match(wrong({ serviceRanges: undefined }), [{ result: "warning", advice: /--service-cluster-ip-range/ }]);
    const dual = checkCluster(FACTS, { ...VALUES, ipFamily: "dual" }).filter(({ name }) => /ranges/.test(name));
    t.match(dual, [
      { name: "IPv4 ranges", result: "ok" },
      { name: "IPv6 ranges", result: "ok" },
    ]);
  },
);

t.test("versions compare by their first two numbers", async (t) => {
  t.ok(atLeast("v1.31.0-0", [1, 31]) && atLeast("6.1.0-13-amd64", [5, 10]) && atLeast("5.10.0", [5, 10]));
  t.notOk(atLeast("5.9.9", [5, 10]) || atLeast("", [1, 0]));
});
