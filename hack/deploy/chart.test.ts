// SPDX-License-Identifier: Apache-2.0

import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import t, { type Test } from "tap";
import { parse, parseAllDocuments } from "yaml";
import { OLDEST_KUBERNETES } from "../../src/cli/env-check/cluster.ts";
import { getOrAdd } from "../../src/collections/get-or-add.ts";
import { KINDS } from "../../src/kinds/index.ts";
import * as resources from "../../src/kube/resources.ts";
import { ROOT } from "../build/npm.ts";
import { architecture, cacheFolder, findCommand } from "../host/cache.ts";
import { type RunResult, run } from "../host/run.ts";
import { KUBERNETES_VERSION } from "../kube/binaries.ts";
import { labValues } from "./values.ts";

// biome-ignore lint/suspicious/noExplicitAny: tests look into objects of every kind.
type Any = any;

const cached = join(cacheFolder(), `tools-${architecture()}`, "helm");
const helm = existsSync(cached) ? cached : findCommand("helm");
const skip = helm === undefined ? "there is no helm here; the lab builds one" : false;
const chart = join(ROOT, "charts/weft");

// Some sixty runs of helm.
t.setTimeout(600_000);

/** What helm has printed, by its arguments: many tests look at the same. */
const printed = new Map<string, Promise<RunResult>>();
/** Objects by their text: most of the chart, above all its CRDs, does not depend on the arguments. */
const parsed = new Map<string, Any>();

function template(...args: readonly string[]): Promise<RunResult> {
  return getOrAdd(printed, args.join("\n"), () => {
    const version = `--kube-version=${KUBERNETES_VERSION}`;
    return run(helm ?? "", ["template", "weft", chart, "--namespace=kube-system", version, ...args], {
      allowFailure: true,
    });
  });
}

async function render(...args: readonly string[]): Promise<readonly Any[]> {
  const { code, stdout, stderr } = await template(...args);
  if (code !== 0) throw new Error(stderr);
  return stdout
    .split(/^---$/m)
    .map((text) => getOrAdd(parsed, text, () => parse(text)))
    .filter((object: unknown) => object !== null);
}

const find = (objects: readonly Any[], kind: string, name: string): Any =>
  objects.find((object) => object.kind === kind && object.metadata.name === name);
const workloads = (objects: readonly Any[]): readonly Any[] =>
  objects.filter(({ spec }) => spec?.template?.spec !== undefined);
const flags = (container: Any): Record<string, string> =>
  Object.fromEntries(
    [...(container.command ?? []), ...(container.args ?? [])]
      .filter((word: string) => word.startsWith("--"))
      .map((word: string) => word.slice(2).split(/=(.*)/s).slice(0, 2)),
  );

await t.test(
  "the chart's objects have the names and labels by which Kube-OVN's tools find them",
  { skip },
  async (t) => {
    const objects = await render();
    for (const [kind, name, app] of [
      ["DaemonSet", "ovs-ovn", "ovs"],
      ["DaemonSet", "kube-ovn-cni", "kube-ovn-cni"],
      ["Deployment", "kube-ovn-controller", "kube-ovn-controller"],
      ["Deployment", "ovn-central", "ovn-central"],
    ] as const) {
      const { spec, metadata } = find(objects, kind, name);
      t.equal(metadata.namespace, "kube-system");
      t.strictSame(spec.selector.matchLabels, { app });
      t.match(spec.template.metadata.labels, { app, component: "network", type: "infra" });
    }
    for (const [name, port] of [
      ["ovn-nb", 6641],
      ["ovn-sb", 6642],
      ["ovn-northd", 6643],
    ] as const) {
      const { spec } = find(objects, "Service", name);
      t.strictSame(spec.selector, { app: "ovn-central", [`${name}-leader`]: "true" });
      t.match(spec.ports, [{ port, targetPort: port }]);
    }
  },
);

await t.test(
  "nothing of the chart needs pod networking, cluster DNS, or a node without taints",
  { skip },
  async (t) => {
    for (const { spec, metadata } of workloads(await render())) {
      const pod = spec.template.spec;
      t.match(pod, { hostNetwork: true, dnsPolicy: "Default", tolerations: [{ operator: "Exists" }] }, metadata.name);
      t.match(pod.priorityClassName, /^system-(node|cluster)-critical$/, metadata.name);
      for (const container of pod.containers) t.ok(container.resources.requests.memory, container.name);
    }
  },
);

await t.test("chart, weftctl and README name the same oldest Kubernetes", async (t) => {
  const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");
  const oldest = OLDEST_KUBERNETES.join(".");
  t.equal(parse(read("charts/weft/Chart.yaml")).kubeVersion, `>=${oldest}.0-0`);
  t.match(read("README.md"), `You need Kubernetes ${oldest} or newer`);
});

await t.test("kubelet probes ports on the loopback address, which pods do not reach", { skip }, async (t) => {
  const objects = await render();
  for (const [kind, name, port] of [
    ["Deployment", "kube-ovn-controller", 10662],
    ["DaemonSet", "kube-ovn-cni", 10666],
  ] as const) {
    const [container] = find(objects, kind, name).spec.template.spec.containers;
    for (const probe of ["startupProbe", "readinessProbe", "livenessProbe"])
      t.match(container[probe].httpGet, { host: "127.0.0.1", port }, `${name} ${probe}`);
    t.equal(flags(container)["health-port"], String(port));
    t.not(flags(container)["metrics-port"], String(port));
  }
});

await t.test("the controller's flags have each network in the IP families in use", { skip }, async (t) => {
  const expected = {
    ipv4: ["10.16.0.0/16", "100.64.0.0/16", "10.96.0.0/12"],
    ipv6: ["fd00:10:16::/112", "fd00:100:64::/112", "fd00:10:96::/112"],
  };
  for (const family of ["ipv4", "ipv6", "dual"] as const) {
    const objects = await render(`--set=ipFamily=${family}`);
    const { template: pod, replicas } = find(objects, "Deployment", "kube-ovn-controller").spec;
    const [controller] = pod.spec.containers;
    const lists = family === "dual" ? expected.ipv4.map((v4, i) => `${v4},${expected.ipv6[i]}`) : expected[family];
    t.equal(replicas, 1);
    t.match(flags(controller), {
      "default-cidr": lists[0],
      "node-switch-cidr": lists[1],
      "service-cluster-ip-range": lists[2],
      "default-gateway": "",
    });
    const daemon = find(objects, "DaemonSet", "kube-ovn-cni").spec.template.spec.containers[0];
    t.equal(flags(daemon)["service-cluster-ip-range"], lists[2]);
    t.equal(find(objects, "Service", "ovn-sb").spec.ipFamilyPolicy, family === "dual" ? "PreferDualStack" : undefined);
  }
});

await t.test("nodes and controller read one southbound database", { skip }, async (t) => {
  const remotes = "ssl:10.0.0.1:6642\\,ssl:10.0.0.2:6642";
  const controller = (objects: readonly Any[]): string | undefined => {
    const [container] = find(objects, "Deployment", "kube-ovn-controller").spec.template.spec.containers;
    return container.env.find((variable: Any) => variable.name === "OVN_SB_ADDR")?.value;
  };
  const nodes = (objects: readonly Any[]): string => find(objects, "ConfigMap", "ovn-remotes").data["sb-address"];
  const [before, after] = [await render(), await render(`--set=ovs.sbAddress=${remotes}`)];
  t.strictSame([controller(before), nodes(before)], [undefined, ""], "by the Service ovn-sb");
  t.strictSame([controller(after), nodes(after)], [remotes.replace("\\", ""), remotes.replace("\\", "")]);
  t.strictSame(
    find(after, "DaemonSet", "ovs-ovn"),
    find(before, "DaemonSet", "ovs-ovn"),
    "another address restarts no switch",
  );
});

const THREE = ["a=10.0.0.1", "c=10.0.0.3", "b=fd00::2"].map((node) => `--set=central.nodes.${node}`);

await t.test(
  "several replicas of ovn-central know each other, and all their clients know them",
  { skip },
  async (t) => {
    const objects = await render("--set=central.replicas=3", ...THREE);
    const { spec } = find(objects, "Deployment", "ovn-central");
    const { affinity, containers } = spec.template.spec;
    t.match(spec, {
      replicas: 3,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
    });
    const variable = ([container]: readonly Any[], name: string): Any =>
      container.env.find((entry: Any) => entry.name === name);
    t.equal(
      variable(containers, "OVN_CENTRALS").value,
      "10.0.0.1,fd00::2,10.0.0.3",
      "in the order of the nodes' names",
    );
    t.equal(variable(containers, "POD_IPS").valueFrom.fieldRef.fieldPath, "status.podIPs");
    const terms: Any[] = affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms;
    t.same(
      terms.flatMap(({ matchFields: [{ values }] }) => values),
      ["a", "b", "c"],
    );
    t.equal(affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution.length, 1);
    const remotes = (port: number): string => `ssl:[10.0.0.1]:${port},ssl:[fd00::2]:${port},ssl:[10.0.0.3]:${port}`;
    for (const [kind, name, where, port] of [
      ["Deployment", "kube-ovn-controller", "OVN_NB_ADDR", 6641],
      ["Deployment", "kube-ovn-controller", "OVN_SB_ADDR", 6642],
    ] as const) {
      t.equal(variable(find(objects, kind, name).spec.template.spec.containers, where).value, remotes(port), name);
    }
    t.equal(find(objects, "ConfigMap", "ovn-remotes").data["sb-address"], remotes(6642));
    t.equal((await template("--set=central.replicas=3", ...THREE.slice(1))).code, 1, "as many nodes as replicas");
    const twice = await template("--set=central.replicas=3", ...THREE.slice(1), "--set=central.nodes.a=10.0.0.3");
    t.match(twice, { code: 1, stderr: /two nodes of central.nodes have the same address/ });
    const one = find(await render(), "Deployment", "ovn-central").spec;
    t.equal(one.strategy.type, "Recreate");
    t.match(one.template.metadata.labels, {
      "ovn-nb-leader": "true",
      "ovn-sb-leader": "true",
      "ovn-northd-leader": "true",
    });
    const [{ labelSelector, topologyKey }] =
      one.template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution;
    t.equal(topologyKey, "kubernetes.io/os", "all nodes");
    const selects = (labels: Any): boolean =>
      Object.entries(labelSelector.matchLabels).every(([key, value]) => labels[key] === value);
    t.ok(selects(one.template.metadata.labels), "no second pod with a database of its own");
    t.notOk(selects(spec.template.metadata.labels), "members may run beside it");
  },
);

await t.test("values that make no sense are refused before anything is installed", { skip }, async (t) => {
  for (const value of [
    "ipFamily=ipv5",
    "ipv4.POD_CIDR=10.16.0.0",
    "ipv6.JOIN_CIDR=10.16.0.0/16",
    "mtu=100",
    "datapath=dpdk",
    "tunnelInterface=eth0 eth1",
    "ovs.sbAddress=ssl:host:6642",
    "controller.replicas=-1",
    "central.replicas=2",
    "daemon.cniConfName=../x.conflist",
    "logLevel=loud",
    "replica=3",
    "image.tag=a b",
    "validateAnnotations=maybe",
  ]) {
    const { code, stderr } = await template(`--set=${value}`);
    t.not(code, 0, value);
    t.match(stderr, /values don't meet the specifications/, value);
  }
});

await t.test("a lab's values are the chart's, in each family", { skip }, async (t) => {
  for (const ipFamily of ["ipv4", "ipv6", "dual"] as const) {
    const values = JSON.stringify(labValues({ ipFamily }, { system: "s1", whole: "w1" }));
    const { stdout, code, stderr } = await run(
      helm ?? "",
      ["template", "weft", chart, `--kube-version=${KUBERNETES_VERSION}`, "--values=-"],
      { input: values, allowFailure: true },
    );
    t.equal(code, 0, stderr);
    const objects = parseAllDocuments(stdout).map((document) => document.toJS());
    const content = (kind: string, name: string): string =>
      find(objects, kind, name).spec.template.metadata.annotations["weft.local/content"];
    t.equal(content("DaemonSet", "ovs-ovn"), "s1", "our own programs' changes leave Open vSwitch running");
    t.equal(content("DaemonSet", "kube-ovn-cni"), "w1");
  }
});

await t.test("each CRD of crds/ is in the chart as it stands there", { skip }, async (t) => {
  const objects = await render();
  const files = globSync(join(ROOT, "crds/*.yaml"));
  t.ok(files.length > 0);
  for (const file of files) {
    const [crd] = parseAllDocuments(readFileSync(file, "utf8")).map((document) => document.toJS() as Any);
    t.strictSame(find(objects, "CustomResourceDefinition", crd.metadata.name), crd, basename(file));
  }
  t.equal(
    (await render("--set=crds.install=false")).filter(({ kind }) => kind === "CustomResourceDefinition").length,
    0,
  );
});

await t.test("annotations are judged by the API server where it can, and where it is to", { skip }, async (t) => {
  const policies = async (...args: readonly string[]): Promise<number> =>
    (await render(...args)).filter(
      ({ kind, metadata }) => /^ValidatingAdmissionPolicy/.test(kind) && metadata.name.endsWith("-annotations"),
    ).length;
  t.equal(await policies(), 8, "four policies with a binding each");
  t.equal(await policies("--set=validateAnnotations=false"), 0);
});

const WITHOUT_KUBE_PROXY = [
  "--set=kubeProxyReplacement=true",
  "--set=apiServer.host=10.0.0.9",
  "--set=controller.nbAddress=ssl:[10.0.0.1]:6641",
  "--set=ovs.sbAddress=ssl:[10.0.0.1]:6642",
];

await t.test(
  "beside another network plugin controller and daemon know it, and Services are kube-proxy's",
  { skip },
  async (t) => {
    for (const [nonPrimary, ...args] of [[true, "--set=nonPrimaryCNI=true"], [false]] as const) {
      const objects = await render(...args);
      const of = (kind: string, name: string) => flags(find(objects, kind, name).spec.template.spec.containers[0]);
      t.equal("non-primary-cni-mode" in of("DaemonSet", "kube-ovn-cni"), nonPrimary);
      t.equal(of("Deployment", "kube-ovn-controller")["non-primary-cni-mode"], String(nonPrimary));
    }
    const { code, stderr } = await template(...WITHOUT_KUBE_PROXY, "--set=nonPrimaryCNI=true");
    t.not(code, 0);
    t.match(stderr, /kubeProxyReplacement cannot be set with nonPrimaryCNI/);
  },
);

await t.test(
  "without kube-proxy Weft's processes reach API server and databases without Services",
  { skip },
  async (t) => {
    const [, ...others] = WITHOUT_KUBE_PROXY;
    for (const other of others) {
      const { code, stderr } = await template(...WITHOUT_KUBE_PROXY.filter((each) => each !== other));
      t.not(code, 0, other);
      t.match(stderr, /kubeProxyReplacement needs/, other);
    }
    const objects = await render(...WITHOUT_KUBE_PROXY);
    for (const [kind, name] of [
      ["DaemonSet", "kube-ovn-cni"],
      ["Deployment", "kube-ovn-controller"],
    ] as const) {
      const [container] = find(objects, kind, name).spec.template.spec.containers;
      t.ok("kube-proxy-replacement" in flags(container), name);
      t.match(
        container.env.find((variable: Any) => variable.name === "KUBERNETES_SERVICE_HOST"),
        { value: "10.0.0.9" },
      );
      t.match(
        container.env.find((variable: Any) => variable.name === "KUBERNETES_SERVICE_PORT"),
        { value: "6443" },
      );
    }
    const [daemon] = find(await render(), "DaemonSet", "kube-ovn-cni").spec.template.spec.containers;
    t.notOk("kube-proxy-replacement" in flags(daemon), "kube-proxy is the default");
    const rules = JSON.stringify(grantsOf(t, await render(), "kube-ovn-cni"));
    t.notMatch(rules, /services|endpointslices/, "then daemons read no Services");
  },
);

await t.test("no container can write to its image, and only two are privileged", { skip }, async (t) => {
  const privileged: string[] = [];
  const objects = await render();
  for (const { spec } of workloads(objects)) {
    const { initContainers = [], containers } = spec.template.spec;
    for (const { name, securityContext } of [...initContainers, ...containers]) {
      t.equal(securityContext.readOnlyRootFilesystem, true, name);
      if (securityContext.privileged) privileged.push(name);
      else t.match(securityContext, { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } }, name);
    }
  }
  t.strictSame(privileged.sort(), ["cni-server", "openvswitch"]);
  const [daemon] = find(objects, "DaemonSet", "kube-ovn-cni").spec.template.spec.containers;
  t.match(
    daemon.command,
    ["setpriv", /^--bounding-set=-all,/, "--no-new-privs", "/opt/weft/bin/supervise", "/opt/weft/bin/start-daemon"],
    "the daemon drops capabilities",
  );
});

await t.test("without TLS several centrals have addresses by tcp", { skip }, async (t) => {
  const nodes = ["a", "b", "c"].map((name, n) => `--set=central.nodes.${name}=10.0.0.${n + 1}`);
  const objects = await render("--set=tls.enabled=false", "--set=central.replicas=3", ...nodes);
  const remotes = (port: number): string => [1, 2, 3].map((n) => `tcp:[10.0.0.${n}]:${port}`).join(",");
  const { containers } = find(objects, "Deployment", "kube-ovn-controller").spec.template.spec;
  for (const [name, port] of [
    ["OVN_NB_ADDR", 6641],
    ["OVN_SB_ADDR", 6642],
  ] as const)
    t.match(
      containers[0].env.find((variable: Any) => variable.name === name),
      { value: remotes(port) },
    );
  t.equal(find(objects, "ConfigMap", "ovn-remotes").data["sb-address"], remotes(6642));
});

await t.test("every process has the flag of TLS and the certificate that it presents", { skip }, async (t) => {
  const objects = await render("--set=tls.certificateDays=30");
  for (const [kind, name, at] of [
    ["Deployment", "ovn-central", "/etc/weft-tls"],
    ["Deployment", "kube-ovn-controller", "/run/weft-tls"],
    ["DaemonSet", "ovs-ovn", "/etc/openvswitch"],
    ["DaemonSet", "kube-ovn-cni", "/etc/openvswitch/tls"],
  ] as const) {
    const { containers, volumes } = find(objects, kind, name).spec.template.spec;
    const mount = containers[0].volumeMounts.find(({ mountPath }: Any) => mountPath === at);
    t.ok(
      volumes.find(({ name: volume }: Any) => volume === mount?.name),
      name,
    );
    if (kind === "Deployment")
      t.match(
        containers[0].env.find((variable: Any) => variable.name === "OVN_TLS"),
        { value: "true" },
        name,
      );
  }
  t.equal(find(objects, "ConfigMap", "ovn-remotes").data.tls, "true");
  const [controller] = find(objects, "Deployment", "kube-ovn-controller").spec.template.spec.containers;
  t.match(flags(controller), { "issue-certificates": "true", "certificate-days": "30" });
  const [daemon] = find(objects, "DaemonSet", "kube-ovn-cni").spec.template.spec.containers;
  t.equal(flags(daemon)["certificate-dir"], "/etc/openvswitch/tls");
  for (const address of ["controller.nbAddress=tcp:[10.0.0.1]:6641", "ovs.sbAddress=tcp:[10.0.0.1]:6642"]) {
    const { code, stderr } = await template(`--set=${address}`);
    t.not(code, 0);
    t.match(stderr, /tls.enabled needs ssl: instead of tcp: in /);
  }
});

await t.test("given certificates: the controller may read their Secrets, and no others", { skip }, async (t) => {
  const may = (objects: readonly Any[]): string[] =>
    find(objects, "Role", "ovn-certificates")
      .rules.filter(({ resources, verbs }: Any) => resources.includes("secrets") && verbs.includes("get"))
      .flatMap(({ resourceNames }: Any) => resourceNames);
  const controller = (objects: readonly Any[]): Any =>
    flags(find(objects, "Deployment", "kube-ovn-controller").spec.template.spec.containers[0]);
  const plain = await render();
  t.strictSame(may(plain), ["weft-central-ca", "weft-node-ca", "weft-central"]);
  t.notOk("central-certificate-secret" in controller(plain));
  t.notOk(plain.some(({ kind }) => kind === "Certificate"));
  const given = await render("--set=tls.secrets.central=a,tls.secrets.controller=b");
  t.strictSame(may(given), ["weft-central-ca", "weft-node-ca", "a", "b", "weft-central"]);
  t.match(controller(given), { "central-certificate-secret": "a", "controller-certificate-secret": "b" });

  const manager = "--set=tls.certManager.enabled=true,tls.certManager.issuerRef.name=ovn,tls.certificateDays=90";
  const managed = await render(manager, "--set=tls.certManager.nodeIssuerRef.name=nodes");
  t.match(controller(managed), { "central-certificate-secret": "weft-central-tls" });
  t.ok(may(managed).includes("weft-controller-tls"));
  t.match(find(managed, "Certificate", "weft-central-tls").spec, {
    ...{ secretName: "weft-central-tls", commonName: "ovn-central", duration: "2160h", renewBefore: "720h" },
    ...{ usages: ["digital signature", "client auth", "server auth"], issuerRef: { name: "ovn" } },
  });
  t.match(find(managed, "Certificate", "weft-controller-tls").spec, {
    ...{ commonName: "weft-controller", usages: ["digital signature", "client auth"] },
  });
  t.match(find(managed, "Certificate", "weft-node-ca").spec, { isCA: true, issuerRef: { name: "nodes" } });
  t.notOk((await render(manager)).some(({ metadata }) => metadata?.name === "weft-node-ca"));
  for (const [set, message] of [
    ["tls.secrets.central=a", /both, or neither/],
    ["tls.secrets.central=a,tls.secrets.controller=a", /needs two Secrets/],
    ["tls.secrets.central=weft-central,tls.secrets.controller=a", /cannot name weft-central/],
    ["tls.certManager.enabled=true", /needs tls.certManager.issuerRef.name/],
    [
      "tls.certManager.enabled=true,tls.certManager.issuerRef.name=x,tls.certManager.nodeIssuerRef.name=x",
      /must be another issuer/,
    ],
    [
      "tls.certManager.enabled=true,tls.certManager.issuerRef.name=x,tls.secrets.central=a,tls.secrets.controller=b",
      /exclude each other/,
    ],
  ] as const) {
    const { code, stderr } = await template(`--set=${set}`);
    t.not(code, 0, set);
    t.match(stderr, message);
  }
});

await t.test(
  "where TLS is off, nodes have certificates all the same, and it is turned on without a restart of theirs",
  { skip },
  async (t) => {
    const [off, on] = [await render("--set=tls.enabled=false"), await render()];
    for (const name of ["kube-ovn-cni", "ovs-ovn"])
      t.strictSame(find(off, "DaemonSet", name), find(on, "DaemonSet", name), name);
    const [controller] = find(off, "Deployment", "kube-ovn-controller").spec.template.spec.containers;
    t.match(flags(controller), { "issue-certificates": "true" });
    t.match(
      controller.env.find(({ name }: Any) => name === "OVN_TLS"),
      { value: "false" },
    );
    t.equal(find(off, "ConfigMap", "ovn-remotes").data.tls, "false");
    t.ok(find(off, "Role", "ovn-certificates"));
  },
);

await t.test("the values of an older chart, which helm keeps with --reuse-values, are refused", { skip }, async (t) => {
  const missing = (schema: Any, values: Any, path: readonly string[] = []): string[] =>
    Object.entries(values as object).flatMap(([key, value]: [string, Any]) => {
      const at = [...path, key];
      const nested = value !== null && typeof value === "object" && !Array.isArray(value);
      const within = nested && schema.properties?.[key]?.properties !== undefined;
      const own = (nested && path.length > 0) || value === null || schema.required?.includes(key) ? [] : [at.join(".")];
      return [...own, ...(within ? missing(schema.properties[key], value, at) : [])];
    });
  const [schema, values] = ["values.schema.json", "values.yaml"].map((name) =>
    parse(readFileSync(join(chart, name), "utf8")),
  );
  t.strictSame(missing(schema, values), [], "the schema requires each value that has a default");
  for (const key of ["page", "page.port"]) {
    const { code, stderr } = await template(`--set=${key}=null`);
    t.not(code, 0, key);
    t.match(stderr, new RegExp(`missing propert(y|ies) '${key.split(".").at(-1)}'`));
  }
});

await t.test(
  "switches stay ready while ovn-central restarts, so that an update does not replace all at once",
  { skip },
  async (t) => {
    const [{ readinessProbe }] = find(await render(), "DaemonSet", "ovs-ovn").spec.template.spec.containers;
    t.ok(readinessProbe.periodSeconds * readinessProbe.failureThreshold >= 120);
  },
);

await t.test(
  "metrics need a token, which a ServiceMonitor sends, unless the values say otherwise",
  { skip },
  async (t) => {
    const monitor = "--set=monitoring.serviceMonitor.enabled=true";
    for (const on of [true, false]) {
      const objects = await render(monitor, ...(on ? [] : ["--set=monitoring.authentication=false"]));
      const controller = find(objects, "Deployment", "kube-ovn-controller").spec.template;
      t.equal(flags(controller.spec.containers[0])["secure-serving"], String(on));
      t.equal(controller.metadata.annotations["prometheus.io/scheme"], on ? "https" : "http");
      const [daemon] = find(objects, "DaemonSet", "kube-ovn-cni").spec.template.spec.containers;
      t.equal("secure-serving" in flags(daemon), on);
      for (const name of ["kube-ovn-controller", "kube-ovn-cni"]) {
        const [endpoint] = find(objects, "ServiceMonitor", name).spec.endpoints;
        t.match(endpoint, on ? { scheme: "https", bearerTokenFile: /token$/ } : { port: "metrics" });
        t.equal("bearerTokenFile" in endpoint, on);
      }
      t.equal(find(objects, "ClusterRole", "weft-metrics-reader") !== undefined, on);
    }
  },
);

await t.test(
  "the web page is off, and with it its rights and its account, unless the values say so",
  { skip },
  async (t) => {
    const off = await render();
    t.equal(find(off, "Service", "weft-ui"), undefined);
    t.equal(find(off, "ServiceAccount", "weft-ui"), undefined);
    t.notOk("page-port" in flags(find(off, "Deployment", "kube-ovn-controller").spec.template.spec.containers[0]));
    const on = await render("--set=page.enabled=true");
    const [controller] = find(on, "Deployment", "kube-ovn-controller").spec.template.spec.containers;
    t.equal(flags(controller)["page-port"], "10669");
    t.match(find(on, "Service", "weft-ui").spec.ports, [{ port: 443, targetPort: "page" }]);
    const { rules } = find(on, "ClusterRole", "weft-page-reader");
    t.ok(
      rules.every(({ verbs }: Any) => JSON.stringify(verbs) === '["list"]'),
      "it reads, and nothing else",
    );
    t.ok(find(on, "ServiceAccount", "weft-ui"));
    const flowPorts = async (...args: readonly string[]): Promise<readonly unknown[]> => {
      const objects = await render(...args);
      const of = (kind: string, name: string): unknown =>
        flags(find(objects, kind, name).spec.template.spec.containers[0])["flows-port"];
      return [of("Deployment", "kube-ovn-controller"), of("DaemonSet", "kube-ovn-cni")];
    };
    const closed = [undefined, undefined];
    t.strictSame(await flowPorts("--set=page.enabled=true"), closed, "the page alone opens no port");
    t.strictSame(await flowPorts("--set=flows.enabled=true,flows.metrics=false"), closed, "no controller reads flows");
    t.strictSame(await flowPorts("--set=flows.enabled=true"), ["10670", "10670"], "the leader counts flows");
    t.strictSame(await flowPorts("--set=page.enabled=true,flows.enabled=true,flows.metrics=false"), ["10670", "10670"]);
    const given = find(
      await render("--set=page.enabled=true,page.certificateSecret=network"),
      "Deployment",
      "kube-ovn-controller",
    );
    t.equal(flags(given.spec.template.spec.containers[0])["page-certificate-dir"], "/run/weft-page-tls");
    t.match(given.spec.template.spec.volumes, [{}, { secret: { secretName: "network", optional: true } }]);
    const without = await render("--set=page.enabled=true", "--set=page.account=false");
    t.equal(find(without, "ServiceAccount", "weft-ui"), undefined);
  },
);

await t.test("daemons mirror the packets of all pods where debug.ENABLE_MIRROR says so", { skip }, async (t) => {
  const daemon = async (...args: readonly string[]): Promise<Any> =>
    find(await render(...args), "DaemonSet", "kube-ovn-cni").spec.template.spec.containers[0];
  t.notOk("enable-mirror" in flags(await daemon()));
  t.ok("enable-mirror" in flags(await daemon("--set=debug.ENABLE_MIRROR=true")));
});

/** The resources that the sources of a component name, by their constants in src/kube/resources.ts. */
function usedTypes(folder: string): readonly resources.ResourceType[] {
  const used = new Set<resources.ResourceType>();
  for (const file of globSync(join(ROOT, "src", folder, "**/*.ts"))) {
    if (file.endsWith(".test.ts")) continue;
    for (const [, names = ""] of readFileSync(file, "utf8").matchAll(
      /import \{([^}]*)\} from "(?:\.\.\/)+kube\/resources\.ts"/g,
    )) {
      for (const name of names.split(",").map((word) => word.trim())) {
        const type = (resources as Readonly<Record<string, unknown>>)[name];
        if (typeof type === "object" && type !== null && "plural" in type) used.add(type as resources.ResourceType);
      }
    }
  }
  return [...used];
}

function grantsOf(t: Test, objects: readonly Any[], account: string): readonly Any[] {
  const bound = objects.filter(
    ({ kind, subjects }) => /RoleBinding$/.test(kind) && subjects.some(({ name }: Any) => name === account),
  );
  t.ok(bound.length > 0, account);
  return bound.flatMap(({ roleRef }) => find(objects, roleRef.kind, roleRef.name).rules);
}

await t.test(
  "a recording goes to a volume that the controller's user may write, and flows are sampled where they are collected",
  { skip },
  async (t) => {
    const controllerOf = (objects: readonly Any[]): Any =>
      find(objects, "Deployment", "kube-ovn-controller").spec.template.spec;
    const daemonOf = (objects: readonly Any[]): Any => find(objects, "DaemonSet", "kube-ovn-cni").spec.template.spec;
    const off = await render();
    t.notOk(JSON.stringify(off).includes("weft-recording"));
    t.equal(flags(controllerOf(off).containers[0])["sample-flows"], undefined);
    t.notOk("collect-flows" in flags(daemonOf(off).containers[0]));

    const own = controllerOf(
      await render("--set=controller.record.enabled=true", "--set=controller.record.limitMiB=100"),
    );
    t.match(flags(own.containers[0]), { record: "/var/lib/weft-recording", "record-limit": "100" });
    t.match(
      own.volumes.find(({ name }: Any) => name === "recording"),
      { emptyDir: { sizeLimit: "164Mi" } },
    );
    t.equal(own.securityContext, undefined);
    const claim = "controller.record.volume.persistentVolumeClaim.claimName=kept";
    const kept = controllerOf(await render("--set=controller.record.enabled=true", `--set=${claim}`));
    t.match(
      kept.volumes.find(({ name }: Any) => name === "recording"),
      { persistentVolumeClaim: { claimName: "kept" } },
    );
    t.equal(kept.securityContext.fsGroup, kept.containers[0].securityContext.runAsUser);

    const sampled = await render("--set=flows.enabled=true", "--set-json=flows.percent=0.5");
    t.equal(flags(controllerOf(sampled).containers[0])["sample-flows"], "0.5");
    t.ok("collect-flows" in flags(daemonOf(sampled).containers[0]));
    t.not((await template("--set=flows.enabled=true", "--set=flows.percent=0")).code, 0);
  },
);

await t.test("each component may reach what its sources name, and nothing else", { skip }, async (t) => {
  const objects = await render(...WITHOUT_KUBE_PROXY);
  // Events and the Lease are written by `src/kube`; `weftctl status`, in the controller's pod, looks for kube-proxy.
  const elsewhere = [
    ...["/events", "coordination.k8s.io/leases", "apps/daemonsets"],
    // Not a type: the permission to approve and sign for a signer.
    "certificates.k8s.io/signers",
  ];
  // Named by `src/kube/metrics-readers.ts`, for both.
  const reviews = ["authentication.k8s.io/tokenreviews", "authorization.k8s.io/subjectaccessreviews"];
  for (const [folders, followed, account, besides] of [
    [["controller"], KINDS.map(({ type }) => type), "ovn", [...elsewhere, ...reviews]],
    [["daemon"], [], "kube-ovn-cni", reviews],
  ] as const) {
    const rules = grantsOf(t, objects, account);
    const granted = new Set<string>(
      rules.flatMap(({ apiGroups, resources: names }) =>
        apiGroups.flatMap((group: string) => names.map((name: string) => `${group}/${name.replace(/\/.*/, "")}`)),
      ),
    );
    const used = [...folders.flatMap((folder) => usedTypes(folder)), ...followed];
    const wanted = new Set([...used.map(({ group, plural }) => `${group}/${plural}`), ...besides]);
    t.strictSame([...granted].sort(), [...wanted].sort(), account);
    for (const rule of rules) t.notOk(JSON.stringify(rule).includes('"*"'), JSON.stringify(rule));
  }
  const { spec } = find(objects, "DaemonSet", "ovs-ovn").spec.template;
  t.equal(spec.automountServiceAccountToken, false, "ovs-ovn has no token");
});

await t.test(
  "the speaker is off by default, and has no capability that its options do not need",
  { skip },
  async (t) => {
    t.equal(find(await render(), "DaemonSet", "kube-ovn-speaker"), undefined);
    const on = ["enabled=true", "clusterAs=65001", "neighborAs=65002", "neighborAddresses={192.0.2.1}"];
    const speaker = async (...more: readonly string[]): Promise<Any> => {
      const objects = await render(...[...on, ...more].map((one) => `--set=speaker.${one}`));
      const { spec } = find(objects, "DaemonSet", "kube-ovn-speaker").spec.template;
      t.strictSame(spec.nodeSelector, { "kubernetes.io/os": "linux", "ovn.kubernetes.io/bgp": "true" });
      const names = spec.containers[0].command.join(" ");
      t.match(names, "--cluster-as=65001 --neighbor-as=65002 --neighbor-address=192.0.2.1");
      return spec.containers[0];
    };
    for (const [more, capabilities, user] of [
      [[], [], 65_534],
      [["bfd.enabled=true"], ["NET_RAW"], 0],
      [["passiveMode=true"], ["NET_BIND_SERVICE"], 0],
    ] as const) {
      const { securityContext } = await speaker(...more);
      t.strictSame(securityContext.capabilities, { drop: ["ALL"], add: capabilities });
      t.equal(securityContext.runAsUser, user);
      t.equal(securityContext.readOnlyRootFilesystem, true);
    }
    t.match(flags(await speaker("authPasswordSecret.name=bgp")), {
      "auth-password-file": "/etc/weft-speaker/password",
    });
    const refused = await template("--set=speaker.enabled=true");
    t.not(refused.code, 0);
    t.match(refused.stderr, /speaker.enabled needs speaker.neighborAddresses or speaker.neighborIPv6Addresses/);
  },
);

await t.test(
  "the probers are off by default, and have neither root nor capabilities nor the node",
  { skip },
  async (t) => {
    t.equal(find(await render(), "DaemonSet", "kube-ovn-pinger"), undefined);
    const flagsOf = ["enabled=true", "externalAddresses={192.0.2.1,2001:db8::1}", "targetIPPorts={tcp-192.0.2.1-53}"];
    const on = flagsOf.map((one) => `--set=pinger.${one}`);
    const objects = await render(...on);
    const { spec } = find(objects, "DaemonSet", "kube-ovn-pinger").spec.template;
    const [container] = spec.containers;
    t.notOk(spec.hostNetwork || spec.hostPID || spec.hostIPC);
    t.strictSame(
      spec.volumes.map((volume: Any) => Object.keys(volume).filter((key) => key !== "name")),
      [["emptyDir"]],
    );
    t.match(spec.securityContext, {
      runAsNonRoot: true,
      sysctls: [
        {
          name: "net.ipv4.ping_group_range",
          value: `${spec.securityContext.runAsGroup} ${spec.securityContext.runAsGroup}`,
        },
      ],
    });
    t.match(container.securityContext, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true });
    t.strictSame(container.securityContext.capabilities, { drop: ["ALL"] });
    t.match(flags(container), { "external-address": "192.0.2.1,2001:db8::1", "target-ip-ports": "tcp-192.0.2.1-53" });
    t.equal(container.readinessProbe.httpGet.scheme, "HTTPS");
    t.equal(container.readinessProbe.httpGet.path, "/readyz");
    const granted = grantsOf(t, objects, "kube-ovn-pinger").flatMap(({ resources, verbs }: Any) =>
      resources.map((resource: string): string => `${resource}: ${verbs.join(" ")}`),
    );
    t.strictSame([...new Set<string>(granted)].sort(), [
      "events: create patch",
      "nodes: list watch",
      "pods: list watch",
      "subjectaccessreviews: create",
      "tokenreviews: create",
    ]);
    const plain = find(await render(...on, "--set=monitoring.authentication=false"), "DaemonSet", "kube-ovn-pinger");
    t.equal(plain.spec.template.spec.containers[0].readinessProbe.httpGet.scheme, "HTTP");
    const refused = await template(...on, "--set=nonPrimaryCNI=true");
    t.match(refused.stderr, /pinger.enabled cannot be set with nonPrimaryCNI/);
  },
);
