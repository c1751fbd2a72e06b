// SPDX-License-Identifier: Apache-2.0

import { useMemo } from "preact/hooks";
import type { Topology } from "../../page/contract.ts";
import { go, route } from "../app/navigation.ts";
import { wording } from "../app/settings.ts";
import { apiUrl } from "../client/api.ts";
import { useResource } from "../client/resource.ts";
import { Empty, Loaded } from "../components/placeholders.tsx";
import { TopologyIndex } from "../model/graph.ts";
import { linkTo } from "../model/route.ts";
import { PageHead } from "./page-head.tsx";
import { TopologyDetails } from "./topology-details.tsx";
import { TopologyGraph } from "./topology-graph.tsx";
import { TopologyTree } from "./topology-tree.tsx";

/** VPCs, subnets, gateways and nodes: as a graph that one walks, and the same as a tree. */
export function TopologyView() {
  const { t } = wording.value;
  const topology = useResource<Topology>(apiUrl("topology"), ["subnets", "vpcs", "nodes", "pods"]);
  return (
    <>
      <PageHead title={t("view.topology")} about={t("topology.about")} />
      <Loaded from={topology} lines={14}>
        {(data) => <Walk topology={data} />}
      </Loaded>
    </>
  );
}

function Walk({ topology }: { readonly topology: Topology }) {
  const { t } = wording.value;
  const index = useMemo(() => new TopologyIndex(topology), [topology]);
  const [asked] = route.value.path;
  const focus = asked === undefined ? undefined : index.get(asked);
  const walk = (id: string | undefined): void => go({ view: "topology", path: id === undefined ? [] : [id] });
  const vpc = focus?.kind === "subnet" ? index.vpcOf(focus.id) : undefined;
  if (topology.nodes.length === 0) {
    return (
      <section class="card">
        <Empty icon="topology" title={t("topology.none")} />
      </section>
    );
  }
  return (
    <div class="with-pane walk">
      <section class="card">
        <div class="card-head">
          <nav aria-label={t("topology.trail")}>
            <ol class="crumbs">
              <li>
                {focus === undefined ? (
                  <span>{t("topology.all")}</span>
                ) : (
                  <a href={linkTo("topology")}>{t("topology.all")}</a>
                )}
              </li>
              {vpc !== undefined && (
                <li>
                  <a href={linkTo("topology", [vpc.id])}>{vpc.name}</a>
                </li>
              )}
              {focus !== undefined && <li aria-current="true">{focus.name}</li>}
            </ol>
          </nav>
          {topology.more > 0 && <span class="small muted">{t("topology.more", { n: topology.more })}</span>}
        </div>
        {asked !== undefined && focus === undefined ? (
          <Empty icon="unknown" title={t("topology.gone", { name: asked })}>
            {t("topology.gone.why")}
          </Empty>
        ) : (
          <TopologyGraph index={index} focus={focus?.id} onWalk={walk} />
        )}
      </section>
      <div class="stack">
        {focus !== undefined && <TopologyDetails of={focus} index={index} />}
        <section class="card">
          <div class="card-head">
            <h2 id="tree-title">{t("topology.tree")}</h2>
          </div>
          <TopologyTree index={index} focus={focus?.id} onWalk={walk} />
        </section>
      </div>
    </div>
  );
}
