// SPDX-License-Identifier: Apache-2.0

import type { ComponentChildren } from "preact";
import type { Overview, Part } from "../../page/contract.ts";
import { wording } from "../app/settings.ts";
import { apiUrl } from "../client/api.ts";
import { useResource } from "../client/resource.ts";
import { Empty, Loaded } from "../components/placeholders.tsx";
import { Problems } from "../components/reports.tsx";
import { Badge, Fill, State } from "../components/state.tsx";
import { fullestOf } from "../model/fill.ts";
import { linkTo, type View } from "../model/route.ts";
import type { Tone } from "../model/tone.ts";
import { PageHead } from "./page-head.tsx";

/** What an administrator looks at first: what needs a hand, then the health of everything. */
export function OverviewView() {
  const { t } = wording.value;
  const overview = useResource<Overview>(apiUrl("overview"), [
    "pods",
    "policies",
    "subnets",
    "vpcs",
    "nodes",
    "services",
    "addresses",
    "namespaces",
  ]);
  return (
    <>
      <PageHead title={t("view.overview")} />
      <Loaded from={overview} lines={12}>
        {(data) => (
          <div class="stack">
            <NeedsAHand data={data} />
            <Counts data={data} />
            <div class="columns">
              <Fullest data={data} />
              <Parts data={data} />
            </div>
          </div>
        )}
      </Loaded>
    </>
  );
}

function NeedsAHand({ data: { problems, moreProblems, eventsProblem } }: { readonly data: Overview }) {
  const { t } = wording.value;
  return (
    <section class="card">
      <div class="card-head">
        <h2>{t("overview.needs")}</h2>
        {problems.length > 0 && <Badge tone="warn">{t("count.problems", { n: problems.length + moreProblems })}</Badge>}
      </div>
      {problems.length === 0 ? (
        <Empty title={t("overview.nothing")}>{t("overview.nothing.why")}</Empty>
      ) : (
        <div class="needs-frame">
          <Problems of={problems} />
        </div>
      )}
      {moreProblems > 0 && <p class="card-foot">{t("overview.more", { n: moreProblems })}</p>}
      {eventsProblem !== undefined && (
        <p class="card-foot">
          {t("overview.noEvents")} <span lang="en">{eventsProblem}</span>
        </p>
      )}
    </section>
  );
}

function Counts({ data: { counts } }: { readonly data: Overview }) {
  const { t, number } = wording.value;
  const { nodes, nodesReady = 0, podsWaiting } = counts;
  return (
    <section aria-label={t("overview.counts")} class="tiles">
      {nodes !== undefined && (
        <Tile view="nodes" value={number(nodes)} label={t("tile.nodes")}>
          <State tone={nodesReady === nodes ? "ok" : "bad"}>{t("tile.ready", { n: nodesReady, all: nodes })}</State>
        </Tile>
      )}
      <Tile view="pods" value={number(counts.pods)} label={t("tile.pods")}>
        <State tone={podsWaiting === 0 ? "ok" : "warn"}>{t("tile.waiting", { n: podsWaiting })}</State>
      </Tile>
      <Tile view="subnets" value={number(counts.subnets)} label={t("tile.subnets")}>
        {t("tile.vpcs", { n: counts.vpcs })}
      </Tile>
      <Tile view="policies" value={number(counts.policies)} label={t("tile.policies")}>
        {t("tile.namespaces", { n: counts.namespaces })}
      </Tile>
      <div class="card tile">
        <span class="label">{t("tile.services")}</span>
        <span class="value">{number(counts.services)}</span>
      </div>
    </section>
  );
}

function Tile({
  view,
  value,
  label,
  children,
}: {
  readonly view: View;
  readonly value: string;
  readonly label: string;
  readonly children: ComponentChildren;
}) {
  return (
    <a class="card tile" href={linkTo(view)}>
      <span class="label">{label}</span>
      <span class="value">{value}</span>
      <span class="small muted">{children}</span>
    </a>
  );
}

function Fullest({ data: { fullest } }: { readonly data: Overview }) {
  const { t } = wording.value;
  return (
    <section class="card">
      <div class="card-head">
        <h2>{t("overview.fullest")}</h2>
        <a href={linkTo("subnets")}>{t("overview.allSubnets")}</a>
      </div>
      {fullest.length === 0 ? (
        <Empty icon="subnets" title={t("subnets.none")} />
      ) : (
        <ul class="plain-rows">
          {fullest.map(({ name, vpc, fill }) => {
            const worst = fullestOf(fill);
            return (
              <li key={name}>
                <div>
                  <a href={linkTo("subnets", [name])}>{name}</a>
                  <span class="small muted block">{vpc}</span>
                </div>
                {worst === undefined ? (
                  <span class="muted">–</span>
                ) : (
                  <Fill share={worst.share} label={t("fill.label", { subnet: name, family: worst.family })} />
                )}
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
}

function partTone({ wanted, ready }: Part): Tone {
  if (ready >= wanted) return "ok";
  return ready === 0 ? "bad" : "warn";
}

function Probes({ of: { failingNodes: n } }: { readonly of: NonNullable<Overview["probes"]> }) {
  const { t } = wording.value;
  if (n === undefined) return <State tone="off">{t("overview.probes.unknown")}</State>;
  return n === 0 ? (
    <State tone="ok">{t("overview.probes.ok")}</State>
  ) : (
    <State tone="bad">{t("overview.probes.failing", { n })}</State>
  );
}

function Parts({ data: { parts, leader, answeredBy, probes } }: { readonly data: Overview }) {
  const { t } = wording.value;
  return (
    <section class="card">
      <div class="card-head">
        <h2>{t("overview.parts")}</h2>
        {answeredBy.name !== "" && (
          <span class="small muted">{t("overview.answeredBy", { name: answeredBy.name })}</span>
        )}
      </div>
      <ul class="plain-rows">
        {(leader.name !== undefined || leader.problem !== undefined) && (
          <li>
            <span>{t("overview.leader")}</span>
            {leader.name === undefined ? (
              <State tone="bad">
                {t("overview.noLeader")} <span lang="en">{leader.problem}</span>
              </State>
            ) : (
              <State tone="ok">{leader.name}</State>
            )}
          </li>
        )}
        {probes !== undefined && (
          <li>
            <span>{t("overview.probes")}</span>
            <Probes of={probes} />
          </li>
        )}
        {parts.map((part) => (
          <li key={`${part.kind} ${part.name}`}>
            <div>
              {part.name}
              <span class="small muted block">{part.kind}</span>
            </div>
            <State tone={partTone(part)}>{t("tile.ready", { n: part.ready, all: part.wanted })}</State>
          </li>
        ))}
      </ul>
      {parts.length === 0 && <p class="card-foot">{t("overview.noParts")}</p>}
    </section>
  );
}
