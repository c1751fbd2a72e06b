// SPDX-License-Identifier: Apache-2.0

import { useMemo } from "preact/hooks";
import type { Topology } from "../../page/contract.ts";
import { route } from "../app/navigation.ts";
import { wording } from "../app/settings.ts";
import { apiUrl } from "../client/api.ts";
import { useResource } from "../client/resource.ts";
import { ObjectLink } from "../components/object-link.tsx";
import { Empty, Loaded } from "../components/placeholders.tsx";
import { HealthState } from "../components/reports.tsx";
import { type Column, Table } from "../components/table.tsx";
import { type GatewayRow, gatewaysOf } from "../model/gateways.ts";
import { matches } from "../model/order.ts";
import { linkTo } from "../model/route.ts";
import { PageHead } from "./page-head.tsx";
import { FilterField } from "./paged.tsx";

/** What packets leave the networks by: gateway nodes, NAT gateways, external routers; and which subnets' do. */
export function GatewaysView() {
  const { t } = wording.value;
  const topology = useResource<Topology>(apiUrl("topology"), ["subnets", "vpcs", "nodes", "pods"]);
  return (
    <>
      <PageHead title={t("view.gateways")} about={t("gateways.about")} />
      <section class="card">
        <Loaded from={topology}>{(data) => <GatewayTable topology={data} />}</Loaded>
      </section>
    </>
  );
}

function GatewayTable({ topology }: { readonly topology: Topology }) {
  const { t, number } = wording.value;
  const { q = "" } = route.value.query;
  const columns: readonly Column<GatewayRow>[] = [
    {
      key: "name",
      title: t("column.gateway"),
      by: ({ name }) => name,
      cell: ({ id, name }) => <a href={linkTo("topology", [id])}>{name}</a>,
    },
    { key: "what", title: t("column.kind"), by: ({ what }) => what, cell: ({ what }) => t(`gateway.${what}`) },
    {
      key: "state",
      title: t("column.state"),
      by: ({ state }) => state,
      cell: ({ state, problem }) => <HealthState state={state} problem={problem} />,
    },
    {
      key: "count",
      title: t("column.subnets"),
      class: "number",
      by: ({ subnets }) => subnets.length,
      cell: ({ subnets }) => number(subnets.length),
    },
    {
      key: "subnets",
      title: t("gateway.for"),
      class: "wide",
      cell: ({ subnets, id }) => (
        <>
          {subnets.slice(0, 5).map((name, index) => (
            <span key={name}>
              {index > 0 && ", "}
              <ObjectLink of={{ kind: "Subnet", name }} />
            </span>
          ))}
          {subnets.length > 5 && (
            <>
              {" "}
              <a href={linkTo("topology", [id])}>{t("graph.more", { n: subnets.length - 5 })}</a>
            </>
          )}
        </>
      ),
    },
  ];
  const all = useMemo(() => gatewaysOf(topology), [topology]);
  const shown = all.filter(({ name, what, subnets }) => matches(q, [name, what, ...subnets]));
  return (
    <>
      <div class="toolbar">
        <FilterField label={t("filter.gateways")} />
        <span class="count" role="status">
          {t("table.shown", { shown: shown.length, n: all.length })}
        </span>
      </div>
      {shown.length === 0 ? (
        <Empty icon="gateways" title={t(all.length === 0 ? "gateways.none" : "filter.nothing")}>
          {all.length === 0 ? t("gateways.none.why") : undefined}
        </Empty>
      ) : (
        <Table caption={t("view.gateways")} columns={columns} rows={shown} keyOf={({ id }) => id} />
      )}
    </>
  );
}
