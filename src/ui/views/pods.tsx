// SPDX-License-Identifier: Apache-2.0

import type { Me, PodDetail, PodRow } from "../../page/contract.ts";
import { go, route } from "../app/navigation.ts";
import { wording } from "../app/settings.ts";
import { apiPath, apiUrl } from "../client/api.ts";
import { useResource } from "../client/resource.ts";
import { ObjectList } from "../components/object-link.tsx";
import { Facts, Pane, Section } from "../components/pane.tsx";
import { Loaded } from "../components/placeholders.tsx";
import { Events, Problems } from "../components/reports.tsx";
import { Badge, State } from "../components/state.tsx";
import type { Column } from "../components/table.tsx";
import { linkTo } from "../model/route.ts";
import type { Tone } from "../model/tone.ts";
import { PageHead } from "./page-head.tsx";
import { PagedList } from "./paged.tsx";

const TONES: Readonly<Record<PodRow["state"], Tone>> = { up: "ok", down: "bad", waiting: "warn", ended: "off" };

const keyOf = ({ namespace, name }: Pick<PodRow, "namespace" | "name">): string => `${namespace}/${name}`;

/** Pods, filtered, and the details of one. */
export function PodsView({ me }: { readonly me: Me }) {
  const { t } = wording.value;
  const {
    path: [namespace, name],
    query,
  } = route.value;
  const columns: readonly Column<PodRow>[] = [
    {
      key: "name",
      title: t("column.pod"),
      by: keyOf,
      cell: (pod) => (
        <a href={linkTo("pods", [pod.namespace, pod.name], query)}>
          <span class="muted">{pod.namespace}/</span>
          {pod.name}
        </a>
      ),
    },
    {
      key: "state",
      title: t("column.state"),
      by: ({ state }) => state,
      cell: ({ state, problem }) => (
        <>
          <State tone={TONES[state]}>{t(`pod.${state}`)}</State>
          {problem !== undefined && (
            <span class="small muted block" lang="en">
              {problem}
            </span>
          )}
        </>
      ),
    },
    {
      key: "addresses",
      title: t("column.addresses"),
      class: "mono nowrap",
      cell: ({ addresses }) => addresses.map((address) => <span class="block">{address}</span>),
    },
    {
      key: "subnet",
      title: t("column.subnet"),
      by: ({ subnet = "" }) => subnet,
      cell: ({ subnet }) => subnet !== undefined && <a href={linkTo("subnets", [subnet])}>{subnet}</a>,
    },
    {
      key: "node",
      title: t("column.node"),
      by: ({ node = "" }) => node,
      cell: ({ node }) => node !== undefined && (me.sees.nodes ? <a href={linkTo("nodes", [node])}>{node}</a> : node),
    },
  ];
  const chosen = namespace !== undefined && name !== undefined ? { namespace, name } : undefined;
  return (
    <>
      <PageHead title={t("view.pods")} />
      <div class={chosen === undefined ? "stack" : "with-pane"}>
        <PagedList<PodRow>
          path="pods"
          me={me}
          kinds={["pods", "addresses"]}
          caption={t("view.pods")}
          icon="pods"
          placeholder={t("filter.pods")}
          columns={columns}
          keyOf={keyOf}
          chosen={chosen && keyOf(chosen)}
        />
        {chosen !== undefined && (
          <PodPane of={chosen} me={me} onClose={() => go({ view: "pods", query: route.value.query })} />
        )}
      </div>
    </>
  );
}

function PodPane({
  of: { namespace, name },
  me,
  onClose,
}: {
  readonly of: Pick<PodRow, "namespace" | "name">;
  readonly me: Me;
  readonly onClose: () => void;
}) {
  const { t } = wording.value;
  const pod = useResource<PodDetail>(apiUrl(apiPath("pods", namespace, name)), [
    "pods",
    "addresses",
    "policies",
    "services",
  ]);
  return (
    <Pane kind={t("kind.pod")} label={`${namespace}/${name}`} onClose={onClose}>
      <div class="row">
        <a class="button" href={linkTo("reach", [], { from: `${namespace}/${name}` })}>
          {t("pod.reachFrom")}
        </a>
        <a class="button" href={linkTo("reach", [], { to: `${namespace}/${name}` })}>
          {t("pod.reachTo")}
        </a>
      </div>
      <Loaded from={pod}>{(detail) => <PodFacts of={detail} me={me} />}</Loaded>
    </Pane>
  );
}

function PodFacts({ of, me }: { readonly of: PodDetail; readonly me: Me }) {
  const { t, number } = wording.value;
  const { subnet, node, vpc, qos = {} } = of;
  const mbit = (value: number | undefined): string | undefined =>
    value === undefined ? undefined : t("qos.mbit", { value: number(value) });
  return (
    <>
      {of.problems.length > 0 && <Problems of={of.problems} about={false} />}
      <Facts
        of={[
          [t("column.state"), <State tone={TONES[of.state]}>{t(`pod.${of.state}`)}</State>],
          [
            t("column.node"),
            node !== undefined && (me.sees.nodes ? <a href={linkTo("nodes", [node])}>{node}</a> : node),
          ],
          [t("column.vpc"), vpc !== undefined && <a href={linkTo("topology", [`vpc/${vpc}`])}>{vpc}</a>],
          [t("column.subnet"), subnet !== undefined && <a href={linkTo("subnets", [subnet])}>{subnet}</a>],
          [t("pod.securityGroups"), of.securityGroups.join(", ")],
          [t("pod.qosPolicy"), qos.policy],
          [t("pod.ingressLimit"), mbit(qos.ingressMbit)],
          [t("pod.egressLimit"), mbit(qos.egressMbit)],
        ]}
      />
      <Section title={t("pod.interfaces")}>
        <ul class="lines">
          {of.interfaces.map(({ provider, addresses, mac, port, up, subnet: network }) => (
            <li key={port}>
              <State tone={up ? "ok" : "bad"}>{provider}</State> <span class="muted small">{network}</span>
              <span class="mono block small">{[...addresses, mac].join("  ")}</span>
              <span class="mono block small muted">{port}</span>
            </li>
          ))}
        </ul>
      </Section>
      <Section title={t("pod.policies")}>
        {of.policies.length === 0 ? (
          <p class="muted">{t("pod.noPolicies")}</p>
        ) : (
          (["ingress", "egress"] as const).map((direction) => {
            const names = of.policies.filter((one) => one.direction === direction).map(({ policy }) => policy);
            return (
              names.length > 0 && (
                <div key={direction}>
                  <p class="small muted">{t(`direction.${direction}`)}</p>
                  <ObjectList of={names} kind />
                </div>
              )
            );
          })
        )}
      </Section>
      {of.services.length > 0 && (
        <Section title={t("pod.services")}>
          <ObjectList of={of.services} />
        </Section>
      )}
      {of.ports.length > 0 && (
        <Section title={t("pod.ports")}>
          <p class="row">
            {of.ports.map(({ name, protocol, number: port }) => (
              <Badge key={`${name} ${protocol} ${port}`}>{`${name === "" ? "" : `${name} `}${protocol}/${port}`}</Badge>
            ))}
          </p>
        </Section>
      )}
      {of.groups.length > 0 && (
        <Section title={t("pod.groups")}>
          <ul class="lines small" lang="en">
            {of.groups.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        </Section>
      )}
      <Section title={t("pod.labels")}>
        <p class="row">
          {Object.entries(of.labels).map(([key, value]) => (
            <code key={key} class="badge">{`${key}=${value}`}</code>
          ))}
        </p>
      </Section>
      <Section title={t("events.title")}>
        <Events of={of.events} />
      </Section>
    </>
  );
}
