// SPDX-License-Identifier: Apache-2.0

import type { Fill as FamilyFill, Me, SubnetDetail } from "../../page/contract.ts";
import { wording } from "../app/settings.ts";
import { apiPath, apiUrl } from "../client/api.ts";
import { useResource } from "../client/resource.ts";
import { ObjectLink } from "../components/object-link.tsx";
import { Facts } from "../components/pane.tsx";
import { Loaded } from "../components/placeholders.tsx";
import { Conditions, Events, HealthState } from "../components/reports.tsx";
import { Badge, Fill } from "../components/state.tsx";
import { shareOf } from "../model/fill.ts";
import { linkTo } from "../model/route.ts";
import { AddressMapCard } from "./address-map.tsx";
import { PageHead } from "./page-head.tsx";

/** One subnet: its fill, the map of its addresses, what it is configured as, what is wrong. */
export function SubnetPage({ name, me }: { readonly name: string; readonly me: Me }) {
  const { t } = wording.value;
  const subnet = useResource<SubnetDetail>(apiUrl(apiPath("subnets", name)), ["subnets", "addresses", "pods"]);
  return (
    <>
      <p class="back">
        <a href={linkTo("subnets")}>‹ {t("view.subnets")}</a>
      </p>
      <PageHead title={name} about={t("subnet.about")}>
        <a class="button" href={linkTo("topology", [`subnet/${name}`])}>
          {t("action.inTopology")}
        </a>
        <a class="button" href={linkTo("pods", [], { subnet: name })}>
          {t("subnet.itsPods")}
        </a>
      </PageHead>
      <Loaded from={subnet} lines={12}>
        {(detail) => (
          <div class="stack">
            <div class="tiles wide-tiles">
              {detail.fill.map((fill) => (
                <FamilyTile key={fill.family} subnet={name} fill={fill} />
              ))}
            </div>
            <AddressMapCard subnet={name} fill={detail.fill} />
            <div class="columns">
              <Configuration of={detail} me={me} />
              <section class="card">
                <div class="card-head">
                  <h2>{t("subnet.reports")}</h2>
                </div>
                <div class="card-body stack">
                  <HealthState state={detail.state} problem={detail.problem} />
                  <Conditions of={detail.conditions} />
                  <h3>{t("events.title")}</h3>
                  <Events of={detail.events} />
                </div>
              </section>
            </div>
          </div>
        )}
      </Loaded>
    </>
  );
}

function FamilyTile({ subnet, fill }: { readonly subnet: string; readonly fill: FamilyFill }) {
  const { t, number } = wording.value;
  const { family, cidr, used, own, free, excluded } = fill;
  const share = shareOf(fill);
  return (
    <div class="card tile">
      <span class="label">
        {family} <span class="mono">{cidr}</span>
      </span>
      {share === undefined ? (
        <span class="value">{t("fill.own", { n: own })}</span>
      ) : (
        <>
          <span class="value">{wording.value.percent(share)}</span>
          <Fill share={share} label={t("fill.label", { subnet, family })} />
          <span class="small muted">
            {t("fill.numbers", { used: number(used), free: number(free ?? 0), excluded: number(excluded ?? 0) })}
          </span>
        </>
      )}
    </div>
  );
}

function Configuration({ of, me }: { readonly of: SubnetDetail; readonly me: Me }) {
  const { t, number } = wording.value;
  const yes = (value: boolean): string => t(value ? "yes" : "no");
  return (
    <section class="card">
      <div class="card-head">
        <h2>{t("subnet.configuration")}</h2>
        {of.isDefault && <Badge>{t("subnet.default")}</Badge>}
      </div>
      <div class="card-body">
        <Facts
          of={[
            [t("column.vpc"), <a href={linkTo("topology", [`vpc/${of.vpc}`])}>{of.vpc}</a>],
            [t("subnet.provider"), of.provider],
            [t("subnet.gateway"), of.fill.map(({ gateway }) => gateway).join(", ")],
            [t("subnet.gatewayType"), t(`subnet.${of.gatewayType}`)],
            [
              t("subnet.gatewayNodes"),
              of.gatewayNodes.length > 0 &&
                of.gatewayNodes.map(({ name, problem }) => (
                  <span key={name} class="block">
                    {me.sees.nodes ? <ObjectLink of={{ kind: "Node", name }} /> : name}
                    {problem !== undefined && (
                      <span class="small tone-bad block" lang="en">
                        {problem}
                      </span>
                    )}
                  </span>
                )),
            ],
            [t("subnet.nat"), yes(of.natOutgoing)],
            [t("subnet.private"), yes(of.private)],
            [t("subnet.allow"), of.allowSubnets.join(", ")],
            [t("subnet.vlan"), of.vlan],
            [t("subnet.exclude"), of.excludeIps.length > 0 && <code>{of.excludeIps.join(" ")}</code>],
            [t("subnet.namespaces"), of.namespaces.join(", ")],
            [t("column.pods"), number(of.pods)],
          ]}
        />
      </div>
    </section>
  );
}
