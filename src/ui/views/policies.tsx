// SPDX-License-Identifier: Apache-2.0

import type { Me, PolicyDetail, PolicyName, PolicyRow } from "../../page/contract.ts";
import { go, route } from "../app/navigation.ts";
import { wording } from "../app/settings.ts";
import { apiPath, apiUrl } from "../client/api.ts";
import { useResource } from "../client/resource.ts";
import { nameOf, ObjectList } from "../components/object-link.tsx";
import { Facts, Pane, Section } from "../components/pane.tsx";
import { Loaded } from "../components/placeholders.tsx";
import { Events, HealthState } from "../components/reports.tsx";
import { Badge } from "../components/state.tsx";
import type { Column } from "../components/table.tsx";
import { removalManifest } from "../model/removal.ts";
import { linkTo } from "../model/route.ts";
import { PageHead } from "./page-head.tsx";
import { PagedList } from "./paged.tsx";
import { draft } from "./plan-draft.ts";

const pathOf = ({ kind, namespace, name }: PolicyName): readonly string[] =>
  namespace === undefined ? [kind, name] : [kind, namespace, name];
const keyOf = (policy: PolicyName): string => pathOf(policy).join("/");

/** Columns that the pane of a policy has too. */
const DETAILS: ReadonlySet<string> = new Set(["rules", "isolates"]);

/** Policies of all kinds, and the rules of one. */
export function PoliciesView({ me }: { readonly me: Me }) {
  const { t, number } = wording.value;
  const { path, query } = route.value;
  const columns: readonly Column<PolicyRow>[] = [
    {
      key: "name",
      title: t("column.policy"),
      by: nameOf,
      cell: (policy) => <a href={linkTo("policies", pathOf(policy), query)}>{nameOf(policy)}</a>,
    },
    { key: "kind", title: t("column.kind"), by: ({ kind }) => kind, class: "nowrap", cell: ({ kind }) => kind },
    {
      key: "pods",
      title: t("column.pods"),
      class: "number",
      by: ({ pods }) => pods,
      cell: ({ pods }) => number(pods),
    },
    {
      key: "rules",
      title: t("column.rules"),
      class: "nowrap",
      cell: ({ ingressRules, egressRules }) => t("policy.rules", { in: ingressRules, out: egressRules }),
    },
    {
      key: "isolates",
      title: t("column.isolates"),
      cell: ({ isolates }) => isolates.map((direction) => t(`direction.${direction}`)).join(", "),
    },
    {
      key: "state",
      title: t("column.state"),
      by: ({ state }) => state,
      cell: ({ state, problem }) => <HealthState state={state} problem={problem} />,
    },
  ];
  const chosen = path.length >= 2 ? path : undefined;
  return (
    <>
      <PageHead title={t("view.policies")}>
        <a class="button" href={linkTo("plan")}>
          {t("policy.new")}
        </a>
      </PageHead>
      <div class={chosen === undefined ? "stack" : "with-pane"}>
        <PagedList<PolicyRow>
          path="policies"
          me={me}
          kinds={["policies", "pods"]}
          caption={t("view.policies")}
          icon="policies"
          placeholder={t("filter.policies")}
          columns={chosen === undefined ? columns : columns.filter(({ key }) => !DETAILS.has(key))}
          keyOf={keyOf}
          chosen={chosen?.join("/")}
        />
        {chosen !== undefined && (
          <PolicyPane path={chosen} onClose={() => go({ view: "policies", query: route.value.query })} />
        )}
      </div>
    </>
  );
}

function PolicyPane({ path, onClose }: { readonly path: readonly string[]; readonly onClose: () => void }) {
  const [kind = "", ...names] = path;
  const policy = useResource<PolicyDetail>(apiUrl(apiPath("policies", ...path)), ["policies", "pods"]);
  return (
    <Pane kind={kind} label={names.join("/")} onClose={onClose}>
      <Loaded from={policy}>{(detail) => <PolicyFacts of={detail} />}</Loaded>
    </Pane>
  );
}

const ACTION_TONES = { allow: "ok", deny: "bad", pass: "off" } as const;

function PolicyFacts({ of }: { readonly of: PolicyDetail }) {
  const { t, number } = wording.value;
  const { manifest, namespace = "", priority } = of;
  return (
    <>
      <div class="row">
        {manifest !== undefined && (
          <button
            type="button"
            class="button"
            onClick={() => {
              draft.value = { namespace, manifest, remove: false };
              go({ view: "plan" });
            }}
          >
            {t("policy.edit")}
          </button>
        )}
        <button
          type="button"
          class="button"
          onClick={() => {
            draft.value = { namespace, manifest: removalManifest(of), remove: true };
            go({ view: "plan" });
          }}
        >
          {t("policy.remove")}
        </button>
      </div>
      <Facts
        of={[
          [t("column.state"), <HealthState state={of.state} problem={of.problem} />],
          [t("policy.priority"), priority === undefined ? undefined : number(priority)],
          [t("column.isolates"), of.isolates.map((direction) => t(`direction.${direction}`)).join(", ")],
          [t("column.pods"), number(of.pods)],
        ]}
      />
      <Section title={t("policy.rulesTitle")}>
        {of.rules.length === 0 ? (
          <p class="muted">{t("policy.noRules")}</p>
        ) : (
          <ol class="lines">
            {of.rules.map(({ direction, path, action, text }) => (
              <li key={path}>
                <span class="row">
                  <Badge tone={ACTION_TONES[action]}>{t(`action.${action}`)}</Badge>
                  <span class="small muted">
                    {t(`direction.${direction}`)} · <code>{path}</code>
                  </span>
                </span>
                <span class="block" lang="en">
                  {text}
                </span>
              </li>
            ))}
          </ol>
        )}
      </Section>
      <Section title={t("policy.members", { n: of.pods })}>
        <ObjectList of={of.members.map((pod) => ({ kind: "Pod", ...pod }))} />
      </Section>
      <Section title={t("events.title")}>
        <Events of={of.events} />
      </Section>
    </>
  );
}
