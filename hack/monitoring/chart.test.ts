// SPDX-License-Identifier: Apache-2.0

import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import t from "tap";
import { parse, parseAllDocuments } from "yaml";
import { ROOT } from "../build/npm.ts";
import { findCommand } from "../host/cache.ts";
import { run } from "../host/run.ts";
import { KUBERNETES_VERSION } from "../kube/binaries.ts";
import { toolPath } from "../tools/tools.ts";

// biome-ignore lint/suspicious/noExplicitAny: tests look into objects of every kind.
type Any = any;

const helm = existsSync(toolPath("helm")) ? toolPath("helm") : findCommand("helm");
const skip = helm === undefined ? "there is no helm here; the lab builds one" : false;
const chart = join(ROOT, "charts/weft");

async function render(...args: readonly string[]): Promise<readonly Any[]> {
  const version = `--kube-version=${KUBERNETES_VERSION}`;
  const { stdout } = await run(helm ?? "", ["template", "weft", chart, "--namespace=kube-system", version, ...args]);
  return parseAllDocuments(stdout).flatMap((document) => (document.toJS() as Any) ?? []);
}

t.test(
  "monitoring is off by default, and gives Prometheus and Grafana what is in the chart's files",
  { skip },
  async (t) => {
    const kinds = ["ServiceMonitor", "PrometheusRule"];
    const plain = await render();
    t.same(
      plain.filter(({ kind, metadata }) => kinds.includes(kind) || /dashboard/.test(metadata.name)),
      [],
    );
    const on = ["serviceMonitor", "rules", "dashboards"].map((part) => `--set=monitoring.${part}.enabled=true`);
    const objects = await render(
      ...on,
      "--set=monitoring.rules.labels.release=prometheus",
      "--set=pinger.enabled=true",
    );
    const find = (kind: string, name: string): Any =>
      objects.find((object) => object.kind === kind && object.metadata.name === name);
    for (const name of ["kube-ovn-controller", "kube-ovn-cni", "kube-ovn-pinger"]) {
      const { spec } = find("ServiceMonitor", name);
      const service = find("Service", name);
      t.match(service.metadata.labels, spec.selector.matchLabels);
      t.ok(service.spec.ports.some((port: Any) => port.name === spec.endpoints[0].port));
    }
    const rule = find("PrometheusRule", "weft");
    t.equal(rule.metadata.labels.release, "prometheus");
    t.strictSame(rule.spec, parse(readFileSync(join(chart, "monitoring/rules.yaml"), "utf8")));
    const selected = await render(...on, "--set=pinger.nodeSelector.zone=a");
    const alerts = (of: readonly Any[]): readonly string[] =>
      of
        .find(({ kind }) => kind === "PrometheusRule")
        .spec.groups.flatMap(({ rules }: Any) => rules.flatMap(({ alert = [] }: Any) => alert));
    const without = alerts(objects).filter((name) => name !== "WeftProberMissing");
    t.strictSame(alerts(selected), without, "which nodes are to have a prober is not known");
    for (const file of globSync(join(chart, "monitoring/dashboards/*.json"))) {
      const { data, metadata } = find("ConfigMap", `weft-dashboard-${basename(file, ".json")}`);
      t.equal(metadata.labels.grafana_dashboard, "1");
      t.strictSame(JSON.parse(data[basename(file)]), JSON.parse(readFileSync(file, "utf8")));
    }
  },
);
