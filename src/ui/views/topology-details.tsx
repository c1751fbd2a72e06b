// SPDX-License-Identifier: Apache-2.0

import type { TopologyNode, VpcDetail } from "../../page/contract.ts";
import { wording } from "../app/settings.ts";
import { apiPath, apiUrl } from "../client/api.ts";
import { useResource } from "../client/resource.ts";
import { ObjectList } from "../components/object-link.tsx";
import { Facts, Section } from "../components/pane.tsx";
import { Loaded } from "../components/placeholders.tsx";
import { Conditions, HealthState } from "../components/reports.tsx";
import { Fill } from "../components/state.tsx";
import { shareOf } from "../model/fill.ts";
import type { TopologyIndex } from "../model/graph.ts";
import { linkTo } from "../model/route.ts";

/** What is known of the node that one has walked to. */
export function TopologyDetails({ of, index }: { readonly of: TopologyNode; readonly index: TopologyIndex }) {
  const { t } = wording.value;
  return (
    <section class="card" aria-label={`${t(`kind.${of.kind}`)} ${of.name}`}>
      <div class="card-head">
        <h2>{of.name}</h2>
        <span class="small muted">{t(`kind.${of.kind}`)}</span>
      </div>
      <div class="card-body stack">
        <HealthState state={of.state} problem={of.problem} />
        <Special of={of} index={index} />
      </div>
    </section>
  );
}

function Special({ of, index }: { readonly of: TopologyNode; readonly index: TopologyIndex }) {
  const { t, number } = wording.value;
  const subnets = index.next(of.id, "subnet").map(({ name }) => ({ kind: "Subnet", name }));
  switch (of.kind) {
    case "vpc":
      return <Vpc name={of.name} />;
    case "subnet":
      return (
        <>
          {of.fill.map((one) => {
            const share = shareOf(one);
            return (
              <div key={one.family}>
                <span class="mono small">{one.cidr}</span>
                {share !== undefined && (
                  <Fill share={share} label={t("fill.label", { subnet: of.name, family: one.family })} />
                )}
              </div>
            );
          })}
          <div class="row">
            <a class="button" href={linkTo("subnets", [of.name])}>
              {t("topology.openSubnet")}
            </a>
            <a class="button" href={linkTo("pods", [], { subnet: of.name })}>
              {t("count.pods", { n: of.pods })}
            </a>
          </div>
        </>
      );
    case "node":
      return (
        <>
          <Facts
            of={[
              [t("column.addresses"), of.addresses.join(", ")],
              [t("column.pods"), number(of.pods)],
            ]}
          />
          <div class="row">
            <a class="button" href={linkTo("nodes", [of.name])}>
              {t("topology.openNode")}
            </a>
          </div>
          <Names title={t("node.gatewayOf")} of={subnets} />
        </>
      );
    case "gateway":
      return <Names title={t("gateway.for")} of={subnets} />;
    case "vlan":
      return (
        <>
          <Facts
            of={[
              [t("vlan.provider"), of.provider],
              [t("vlan.id"), String(of.vlanId)],
            ]}
          />
          <Names title={t("column.subnets")} of={subnets} />
        </>
      );
  }
}

function Names({
  title,
  of,
}: {
  readonly title: string;
  readonly of: readonly { readonly kind: string; readonly name: string }[];
}) {
  if (of.length === 0) return null;
  return (
    <Section title={title}>
      <div class="short-list">
        <ObjectList of={of} />
      </div>
    </Section>
  );
}

function Vpc({ name }: { readonly name: string }) {
  const { t, number } = wording.value;
  const vpc = useResource<VpcDetail>(apiUrl(apiPath("vpcs", name)), ["vpcs", "subnets"]);
  return (
    <Loaded from={vpc}>
      {({ isDefault, subnets, peerings, staticRoutes, policyRoutes, conditions }) => (
        <>
          <Facts
            of={[
              [t("vpc.default"), t(isDefault ? "yes" : "no")],
              [t("column.subnets"), number(subnets.length)],
            ]}
          />
          {peerings.length > 0 && (
            <Section title={t("vpc.peerings")}>
              <ul class="lines">
                {peerings.map(({ vpc: other, local }) => (
                  <li key={other}>
                    <a href={linkTo("topology", [`vpc/${other}`])}>{other}</a>
                    <span class="mono small muted block">{local.join(", ")}</span>
                  </li>
                ))}
              </ul>
            </Section>
          )}
          {staticRoutes.length > 0 && (
            <Section title={t("vpc.routes")}>
              <ul class="lines mono small">
                {staticRoutes.map(({ cidr, nextHop, policy }) => (
                  <li key={`${cidr} ${nextHop} ${policy}`}>
                    {policy === "policySrc" ? "src " : ""}
                    {cidr} → {nextHop}
                  </li>
                ))}
              </ul>
            </Section>
          )}
          {policyRoutes.length > 0 && (
            <Section title={t("vpc.policyRoutes")}>
              <ul class="lines mono small">
                {policyRoutes.map(({ priority, match, action, nextHops }) => (
                  <li key={`${priority} ${match}`}>
                    {priority} {match}: {[action, ...nextHops].join(" ")}
                  </li>
                ))}
              </ul>
            </Section>
          )}
          {conditions.length > 0 && (
            <Section title={t("conditions.title")}>
              <Conditions of={conditions} />
            </Section>
          )}
        </>
      )}
    </Loaded>
  );
}
