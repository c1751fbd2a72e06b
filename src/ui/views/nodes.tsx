// SPDX-License-Identifier: Apache-2.0

import type { Me, NodeDetail, NodeRow, Page } from "../../page/contract.ts";
import { go, route } from "../app/navigation.ts";
import { wording } from "../app/settings.ts";
import { apiPath, apiUrl } from "../client/api.ts";
import { useResource } from "../client/resource.ts";
import { ObjectList } from "../components/object-link.tsx";
import { Facts, Pane, Section } from "../components/pane.tsx";
import { Empty, Loaded } from "../components/placeholders.tsx";
import { Events, HealthState, Problems } from "../components/reports.tsx";
import { State } from "../components/state.tsx";
import { type Column, Table } from "../components/table.tsx";
import { matches } from "../model/order.ts";
import { linkTo } from "../model/route.ts";
import { PageHead } from "./page-head.tsx";
import { FilterField } from "./paged.tsx";

/** Columns that the pane of a node has too. */
const DETAILS: ReadonlySet<string> = new Set(["join", "zone"]);

/** Nodes, and the details of one. */
export function NodesView({ me }: { readonly me: Me }) {
  const { t, number } = wording.value;
  const {
    path: [chosen],
    query,
  } = route.value;
  const nodes = useResource<Page<NodeRow>>(me.sees.nodes ? apiUrl("nodes") : undefined, ["nodes", "pods"]);
  const columns: readonly Column<NodeRow>[] = [
    {
      key: "name",
      title: t("column.node"),
      by: ({ name }) => name,
      cell: ({ name }) => <a href={linkTo("nodes", [name], query)}>{name}</a>,
    },
    {
      key: "state",
      title: t("column.state"),
      by: ({ state }) => state,
      cell: ({ state, problem }) => <HealthState state={state} problem={problem} />,
    },
    {
      key: "internal",
      title: t("column.addresses"),
      class: "mono nowrap",
      cell: ({ internal }) => <Lines of={internal} />,
    },
    { key: "join", title: t("column.join"), class: "mono nowrap", cell: ({ join }) => <Lines of={join} /> },
    { key: "zone", title: t("column.zone"), by: ({ zone = "" }) => zone, cell: ({ zone }) => zone },
    { key: "pods", title: t("column.pods"), class: "number", by: ({ pods }) => pods, cell: ({ pods }) => number(pods) },
  ];
  return (
    <>
      <PageHead title={t("view.nodes")} />
      {!me.sees.nodes ? (
        <section class="card">
          <Empty icon="nodes" title={t("nodes.hidden")}>
            {t("nodes.hidden.why")}
          </Empty>
        </section>
      ) : (
        <div class={chosen === undefined ? "stack" : "with-pane"}>
          <section class="card">
            <Loaded from={nodes}>
              {({ items }) => {
                const shown = items.filter((node) =>
                  matches(query["q"] ?? "", [
                    node.name,
                    ...node.internal,
                    ...node.join,
                    node.zone ?? "",
                    node.problem ?? "",
                  ]),
                );
                return (
                  <>
                    <div class="toolbar">
                      <FilterField label={t("filter.nodes")} />
                      <span class="count" role="status">
                        {t("table.shown", { shown: shown.length, n: items.length })}
                      </span>
                    </div>
                    {shown.length === 0 ? (
                      <Empty icon="nodes" title={t("filter.nothing")} />
                    ) : (
                      <Table
                        caption={t("view.nodes")}
                        columns={chosen === undefined ? columns : columns.filter(({ key }) => !DETAILS.has(key))}
                        rows={shown}
                        keyOf={({ name }) => name}
                        chosen={chosen}
                      />
                    )}
                  </>
                );
              }}
            </Loaded>
          </section>
          {chosen !== undefined && (
            <NodePane name={chosen} onClose={() => go({ view: "nodes", query: route.value.query })} />
          )}
        </div>
      )}
    </>
  );
}

function Lines({ of }: { readonly of: readonly string[] }) {
  return (
    <>
      {of.map((text) => (
        <span key={text} class="block">
          {text}
        </span>
      ))}
    </>
  );
}

function NodePane({ name, onClose }: { readonly name: string; readonly onClose: () => void }) {
  const { t } = wording.value;
  const node = useResource<NodeDetail>(apiUrl(apiPath("nodes", name)), ["nodes", "pods", "subnets"]);
  return (
    <Pane kind={t("kind.node")} label={name} onClose={onClose}>
      <div class="row">
        <a class="button" href={linkTo("pods", [], { node: name })}>
          {t("node.itsPods")}
        </a>
        <a class="button" href={linkTo("topology", [`node/${name}`])}>
          {t("action.inTopology")}
        </a>
      </div>
      <Loaded from={node}>
        {(detail) => (
          <>
            {detail.problems.length > 0 && <Problems of={detail.problems} about={false} />}
            <Facts
              of={[
                [t("column.state"), <HealthState state={detail.state} problem={detail.problem} />],
                [
                  t("node.kubelet"),
                  <State tone={detail.ready ? "ok" : "bad"}>{t(detail.ready ? "node.ready" : "node.notReady")}</State>,
                ],
                [t("column.addresses"), <Lines of={detail.internal} />],
                [t("column.join"), <Lines of={detail.join} />],
                [t("node.tunnels"), <Lines of={detail.tunnelAddresses} />],
                [t("node.chassis"), detail.chassis === "" ? undefined : <code>{detail.chassis}</code>],
                [t("column.zone"), detail.zone],
                [t("node.unreachable"), detail.unreachable],
              ]}
            />
            <Section title={t("node.gatewayOf")}>
              {detail.gatewayOf.length === 0 ? (
                <p class="muted">{t("node.noGateway")}</p>
              ) : (
                <ObjectList of={detail.gatewayOf.map((subnet) => ({ kind: "Subnet", name: subnet }))} />
              )}
            </Section>
            <Section title={t("events.title")}>
              <Events of={detail.events} />
            </Section>
          </>
        )}
      </Loaded>
    </Pane>
  );
}
