// SPDX-License-Identifier: Apache-2.0

import type { Values } from "../install/helm-run.ts";
import { isTree } from "../install/helm-run.ts";
import type { Check, CheckResult } from "./check.ts";
import { MODULES, type NodeView } from "./node-view.ts";
import { PLUGINS } from "./other-cnis.ts";

/** Bytes of Geneve's overhead, as the daemon counts them (`src/daemon/node-gateway/tunnel-mtu.ts`). */
const OVERHEAD = 100;
/** The minimum MTU of IPv6 (RFC 8200 §5). */
const LEAST_MTU = 1280;

/** Evaluates the data of one node. Pure. */
export function checkNodeView(name: string, view: NodeView, values: Values): readonly Check[] {
  const line = (check: string, result: CheckResult, found: string, advice?: string): Check => ({
    subject: `node ${name}`,
    name: check,
    result,
    found,
    ...(advice === undefined ? {} : { advice }),
  });
  return [
    datapath(view, values, line),
    mtu(view, values, line),
    ...configurations(view, values, line),
    containerd(view, values, line),
    view.nft === undefined
      ? line("nftables", "ok", "works")
      : line(
          "nftables",
          "failed",
          view.nft,
          "the kernel needs nf_tables and nft_masq: load them, or use another kernel",
        ),
    line("cgroup", "ok", view.cgroup),
    view.unreachable.length === 0
      ? line("ports", "ok", "the other nodes answer on the ports of tunnels and OVN's databases")
      : line("ports", "failed", `no answer from ${view.unreachable.join(", ")}`, "open these ports between all nodes"),
  ];
}

type Line = (check: string, result: CheckResult, found: string, advice?: string) => Check;

function datapath({ modules, tun }: NodeView, values: Values, line: Line): Check {
  const missing = MODULES.filter((name) => !modules.includes(name));
  const wanted = values["datapath"];
  if (missing.length === 0 && wanted !== "userspace")
    return line("datapath", "ok", "kernel: modules openvswitch and geneve");
  if (wanted === "kernel") {
    return line(
      "datapath",
      "failed",
      `no module ${missing.join(", ")}`,
      "install the modules, or pass --set datapath=auto",
    );
  }
  if (!tun) return line("datapath", "failed", "userspace, but there is no /dev/net/tun", "load the module tun");
  if (wanted === "userspace") return line("datapath", "ok", "userspace, as chosen");
  return line(
    "datapath",
    "warning",
    `userspace: no module ${missing.join(", ")}`,
    "install the modules; or give tunnels an interface of their own (tunnelInterface), because Open vSwitch takes it over",
  );
}

function mtu({ link }: NodeView, values: Values, line: Line): Check {
  if (link === undefined) {
    return line(
      "MTU",
      "failed",
      "no interface for tunnels",
      "pass --set tunnelInterface=NAME with one that the node has",
    );
  }
  const left = link.mtu - OVERHEAD;
  const wanted = Number(values["mtu"] ?? 0);
  const found = `${link.name} has ${link.mtu}`;
  if (wanted > left) {
    return line(
      "MTU",
      "failed",
      `${found}, mtu=${wanted} does not fit with ${OVERHEAD} of Geneve`,
      `pass --set mtu=${left}, or raise the interface's`,
    );
  }
  if (left < LEAST_MTU)
    return line("MTU", "warning", `${found}: pods get ${left}`, `IPv6 needs ${LEAST_MTU}: raise the interface's MTU`);
  return line("MTU", "ok", `${found}: pods get ${wanted > 0 ? wanted : left}`);
}

function configurations(view: NodeView, values: Values, line: Line): readonly Check[] {
  const ours = String(daemonValues(values)["cniConfName"] ?? "01-kube-ovn.conflist");
  const others = view.configurations.filter(({ file, types }) => file !== ours && !types.includes("kube-ovn"));
  if (values["nonPrimaryCNI"] === true) {
    const found = others.map(({ file, types }) => `${file} (${types.join(", ")})`).join(", ");
    if (found !== "") return [line("CNI configurations", "ok", found)];
    const advice = "install the primary network plugin first: with nonPrimaryCNI Weft writes none";
    return [line("CNI configurations", "failed", "none", advice)];
  }
  if (others.length === 0) return [line("CNI configurations", "ok", "no other")];
  return others.map(({ file, types }) => {
    const plugin = PLUGINS.find((known) => known.types.some((type) => types.includes(type)))?.name;
    const found = `${file} (${plugin ?? types.join(", ")})`;
    // Multus calls the default network itself.
    if (types.includes("multus") || types.includes("multus-shim")) return line("CNI configurations", "ok", found);
    if (file < ours) {
      return line(
        "CNI configurations",
        "failed",
        `${found} comes before ${ours}`,
        "remove it: the runtime uses the first file in lexical order",
      );
    }
    return line(
      "CNI configurations",
      "warning",
      found,
      "remove it: pods get that network whenever Weft's configuration is missing",
    );
  });
}

function containerd({ containerd: found }: NodeView, values: Values, line: Line): Check {
  if (found === undefined) {
    return line(
      "CNI folders",
      "skipped",
      "containerd has no config.toml: compare daemon.cniConfDir and daemon.cniBinDir with the runtime's",
    );
  }
  const { cniConfDir, cniBinDir } = daemonValues(values);
  const wrong = [
    ...(found.confDir === cniConfDir ? [] : [`daemon.cniConfDir=${found.confDir}`]),
    ...(found.binDir === cniBinDir ? [] : [`daemon.cniBinDir=${found.binDir}`]),
  ];
  const text = `${found.confDir}, ${found.binDir}`;
  if (wrong.length === 0) return line("CNI folders", "ok", text);
  return line(
    "CNI folders",
    "failed",
    `containerd reads ${text}`,
    `pass ${wrong.map((set) => `--set ${set}`).join(" ")}`,
  );
}

function daemonValues(values: Values): Values {
  const daemon = values["daemon"];
  return isTree(daemon) ? daemon : {};
}
