// SPDX-License-Identifier: Apache-2.0

import { useEffect, useState } from "preact/hooks";
import type { FlowRow, FlowRowEnd, FlowsAnswer, Me } from "../../page/contract.ts";
import { ask, route } from "../app/navigation.ts";
import { wording } from "../app/settings.ts";
import { apiUrl } from "../client/api.ts";
import { flowsFollowed } from "../client/live.ts";
import { useResource } from "../client/resource.ts";
import { NamespaceSelect } from "../components/namespace-select.tsx";
import { nameOf, ObjectLink } from "../components/object-link.tsx";
import { Empty, Loaded } from "../components/placeholders.tsx";
import { Ago } from "../components/reports.tsx";
import { State } from "../components/state.tsx";
import { type Column, Table } from "../components/table.tsx";
import { matches } from "../model/order.ts";
import type { Tone } from "../model/tone.ts";
import { PageHead } from "./page-head.tsx";
import { FilterField } from "./paged.tsx";

const TONES: Readonly<Record<FlowRow["verdict"], Tone>> = { allowed: "ok", dropped: "bad", unknown: "off" };

/** Who talks to whom, live. */
export function FlowsView({ me }: { readonly me: Me }) {
  const { t } = wording.value;
  const { namespace = "", dropped = "" } = route.value.query;
  const url = me.actions.flows ? apiUrl("flows", { namespace, dropped }) : undefined;
  const flows = useResource<FlowsAnswer>(url, ["flows"]);
  const [follow, setFollow] = useState(true);
  const following = follow && url !== undefined;
  useEffect(() => {
    flowsFollowed.value = following;
    return () => {
      flowsFollowed.value = false;
    };
  }, [following]);
  return (
    <>
      <PageHead title={t("view.flows")} about={t("flows.about")} />
      <section class="card">
        {url === undefined ? (
          <Empty icon="flows" title={t("flows.off")}>
            {t("flows.off.why")}
          </Empty>
        ) : (
          <>
            <div class="toolbar">
              <FilterField label={t("filter.flows")} />
              <NamespaceSelect me={me} value={namespace} />
              <label class="row tight">
                <input
                  type="checkbox"
                  checked={dropped === "true"}
                  onChange={(event) => ask({ dropped: event.currentTarget.checked ? "true" : "" })}
                />
                {t("flows.dropped")}
              </label>
              <button type="button" class="button" aria-pressed={follow} onClick={() => setFollow(!follow)}>
                {t("flows.follow")}
              </button>
            </div>
            <Loaded from={flows} lines={12}>
              {(data) => <FlowTable of={data} />}
            </Loaded>
          </>
        )}
      </section>
    </>
  );
}

function FlowTable({ of: { enabled, flows, more, warnings } }: { readonly of: FlowsAnswer }) {
  const { t, number } = wording.value;
  const { q = "" } = route.value.query;
  const shown = flows.filter((flow) =>
    matches(q, [
      ...textsOfEnd(flow.from),
      ...textsOfEnd(flow.to),
      flow.protocol,
      String(flow.port ?? ""),
      flow.policy ?? "",
    ]),
  );
  const columns: readonly Column<FlowRow>[] = [
    { key: "from", title: t("flows.from"), cell: ({ from }) => <End of={from} /> },
    { key: "to", title: t("flows.to"), cell: ({ to }) => <End of={to} /> },
    {
      key: "port",
      title: t("flows.port"),
      class: "nowrap",
      by: ({ protocol, port = 0 }) => `${protocol} ${port}`,
      cell: ({ protocol, port }) => (port === undefined ? protocol : `${protocol}/${port}`),
    },
    {
      key: "verdict",
      title: t("flows.verdict"),
      by: ({ verdict }) => verdict,
      cell: ({ verdict, at, policy, rule }) => (
        <>
          <State tone={TONES[verdict]}>{t(`flow.${verdict}`)}</State>
          {policy !== undefined && (
            <span class="small muted block">
              {at !== undefined && `${t(`direction.${at}`)} · `}
              {policy} {rule}
            </span>
          )}
        </>
      ),
    },
    {
      key: "packets",
      title: t("flows.packets"),
      class: "number",
      by: ({ packets }) => packets,
      cell: ({ packets }) => number(packets),
    },
    {
      key: "last",
      title: t("flows.last"),
      class: "nowrap",
      by: ({ last }) => last,
      cell: ({ last }) => <Ago at={last} />,
    },
  ];
  return (
    <>
      {warnings.map((text) => (
        <p key={text} class="card-foot tone-warn" lang="en">
          {text}
        </p>
      ))}
      {shown.length === 0 ? (
        <Empty icon="flows" title={t(enabled ? (flows.length === 0 ? "flows.none" : "filter.nothing") : "flows.off")}>
          {t(enabled ? "flows.none.why" : "flows.off.why")}
        </Empty>
      ) : (
        <Table
          caption={t("view.flows")}
          columns={columns}
          rows={shown}
          keyOf={({ from, to, protocol, port, verdict, at, policy, rule }) =>
            [from.address, to.address, protocol, port, verdict, at, policy, rule].join(" ")
          }
          size={100}
        />
      )}
      {more > 0 && <p class="card-foot muted">{t("flows.more", { n: more })}</p>}
    </>
  );
}

function textsOfEnd({ address, holders }: FlowRowEnd): readonly string[] {
  return [address, ...holders.map((holder) => `${holder.kind} ${nameOf(holder)}`)];
}

function End({ of: { address, holders, hidden } }: { readonly of: FlowRowEnd }) {
  const { t } = wording.value;
  if (hidden === true) return <span class="muted">{t("flows.hidden")}</span>;
  return (
    <>
      {holders.map((holder) => (
        <span key={`${holder.kind} ${nameOf(holder)}`} class="block">
          <ObjectLink of={holder} />
        </span>
      ))}
      <span class={`mono ${holders.length > 0 ? "small muted" : ""}`}>{address}</span>
    </>
  );
}
