// SPDX-License-Identifier: Apache-2.0

import { useMemo } from "preact/hooks";
import type { Me, Topology } from "../../page/contract.ts";
import { route } from "../app/navigation.ts";
import { wording } from "../app/settings.ts";
import { apiUrl } from "../client/api.ts";
import { useResource } from "../client/resource.ts";
import { Empty, Loaded } from "../components/placeholders.tsx";
import { HealthState } from "../components/reports.tsx";
import { Badge, Fill } from "../components/state.tsx";
import { type Column, Table } from "../components/table.tsx";
import { shareOf } from "../model/fill.ts";
import { matches } from "../model/order.ts";
import { linkTo } from "../model/route.ts";
import { type SubnetSummary, subnetsOf } from "../model/subnets.ts";
import { PageHead } from "./page-head.tsx";
import { FilterField } from "./paged.tsx";
import { SubnetPage } from "./subnet.tsx";

/** All subnets with their fill, or one of them. */
export function SubnetsView({ me }: { readonly me: Me }) {
  const [name] = route.value.path;
  return name === undefined ? <SubnetList /> : <SubnetPage key={name} name={name} me={me} />;
}

function SubnetList() {
  const { t } = wording.value;
  const topology = useResource<Topology>(apiUrl("topology"), ["subnets", "vpcs", "nodes", "pods"]);
  return (
    <>
      <PageHead title={t("view.subnets")} />
      <section class="card">
        <Loaded from={topology} lines={12}>
          {(data) => <SubnetTable topology={data} />}
        </Loaded>
      </section>
    </>
  );
}

function SubnetTable({ topology }: { readonly topology: Topology }) {
  const { t, number } = wording.value;
  const all = useMemo(() => subnetsOf(topology), [topology]);
  const { q = "" } = route.value.query;
  const shown = all.filter(({ name, vpc, fill, problem = "" }) =>
    matches(q, [name, vpc, problem, ...fill.map(({ cidr }) => cidr)]),
  );
  const columns: readonly Column<SubnetSummary>[] = [
    {
      key: "name",
      title: t("column.subnet"),
      by: ({ name }) => name,
      cell: ({ name, isDefault }) => (
        <>
          <a href={linkTo("subnets", [name])}>{name}</a> {isDefault && <Badge>{t("subnet.default")}</Badge>}
        </>
      ),
    },
    {
      key: "vpc",
      title: t("column.vpc"),
      by: ({ vpc }) => vpc,
      cell: ({ vpc }) => <a href={linkTo("topology", [`vpc/${vpc}`])}>{vpc}</a>,
    },
    {
      key: "cidr",
      title: t("column.cidr"),
      class: "mono nowrap",
      cell: ({ fill }) =>
        fill.map(({ cidr }) => (
          <span key={cidr} class="block">
            {cidr}
          </span>
        )),
    },
    {
      key: "fill",
      title: t("column.fill"),
      by: ({ share }) => share,
      cell: ({ name, fill }) =>
        fill.map((one) => {
          const share = shareOf(one);
          return (
            <span key={one.family} class="block">
              {share === undefined ? (
                t("fill.own", { n: one.own })
              ) : (
                <Fill share={share} label={t("fill.label", { subnet: name, family: one.family })} />
              )}
            </span>
          );
        }),
    },
    { key: "pods", title: t("column.pods"), class: "number", by: ({ pods }) => pods, cell: ({ pods }) => number(pods) },
    {
      key: "state",
      title: t("column.state"),
      by: ({ state }) => state,
      cell: ({ state, problem }) => <HealthState state={state} problem={problem} />,
    },
  ];
  return (
    <>
      <div class="toolbar">
        <FilterField label={t("filter.subnets")} />
        <span class="count" role="status">
          {t("table.shown", { shown: shown.length, n: all.length })}
        </span>
      </div>
      {shown.length === 0 ? (
        <Empty icon="subnets" title={t(all.length === 0 ? "subnets.none" : "filter.nothing")} />
      ) : (
        <Table caption={t("view.subnets")} columns={columns} rows={shown} keyOf={({ name }) => name} />
      )}
    </>
  );
}
