// SPDX-License-Identifier: Apache-2.0

import { useState } from "preact/hooks";
import type { Me, PlanAnswer, PlanChange } from "../../page/contract.ts";
import { wording } from "../app/settings.ts";
import { apiUrl, request } from "../client/api.ts";
import { CopyButton } from "../components/copy-button.tsx";
import { Empty, ProblemNote, Skeleton } from "../components/placeholders.tsx";
import { State } from "../components/state.tsx";
import { type Column, Table } from "../components/table.tsx";
import { applyCommand } from "../model/apply-command.ts";
import { ApiProblem, type PageProblem } from "../model/problem.ts";
import { PageHead } from "./page-head.tsx";
import { type Draft, draft } from "./plan-draft.ts";

/** A plan of 5,000 pods takes seconds; the server gives up after 60 s. */
const PLAN_MS = 65_000;

const EXAMPLE = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web-from-frontend
spec:
  podSelector:
    matchLabels:
      app: web
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector:
            matchLabels:
              app: frontend
      ports:
        - port: 80
`;

/** What a manifest that was planned would change. */
type Planned =
  | { readonly state: "none" | "busy" }
  | { readonly state: "failed"; readonly problem: PageProblem }
  | { readonly state: "done"; readonly of: Draft; readonly answer: PlanAnswer };

/** A policy is written here, and who would gain or lose reach is shown before it is applied. The page applies nothing. */
export function PlanView({ me }: { readonly me: Me }) {
  const { t } = wording.value;
  const { namespace, manifest, remove } = draft.value;
  const [planned, setPlanned] = useState<Planned>({ state: "none" });
  const plan = async (): Promise<void> => {
    setPlanned({ state: "busy" });
    try {
      const options = { method: "POST", body: manifest, contentType: "application/yaml", deadlineMs: PLAN_MS } as const;
      const answer = await request<PlanAnswer>(apiUrl("plan", { namespace, remove: remove ? "true" : "" }), options);
      setPlanned({ state: "done", of: { namespace, manifest, remove }, answer });
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      setPlanned({ state: "failed", problem: error.problem });
    }
  };
  const isCurrent =
    planned.state === "done" &&
    planned.of.manifest === manifest &&
    planned.of.namespace === namespace &&
    planned.of.remove === remove;
  if (!me.actions.plan) {
    return (
      <>
        <PageHead title={t("view.plan")} />
        <section class="card">
          <Empty icon="plan" title={t("plan.hidden")}>
            {t("plan.hidden.why")}
          </Empty>
        </section>
      </>
    );
  }
  return (
    <>
      <PageHead title={t("view.plan")} about={t("plan.about")} />
      <div class="columns editor">
        <form
          class="card"
          onSubmit={(event) => {
            event.preventDefault();
            void plan();
          }}
        >
          <div class="card-body stack">
            <div class="field">
              <label for="plan-namespace">{t("plan.namespace")}</label>
              <select
                id="plan-namespace"
                class="select"
                value={namespace}
                onChange={(event) => {
                  draft.value = { ...draft.value, namespace: event.currentTarget.value };
                }}
              >
                <option value="">{t("plan.ownNamespace")}</option>
                {me.namespaces.map((name) => (
                  <option key={name} value={name}>
                    {name}
                  </option>
                ))}
              </select>
            </div>
            <div class="field">
              <label for="plan-manifest">{t("plan.manifest")}</label>
              <textarea
                id="plan-manifest"
                class="area"
                spellcheck={false}
                autocomplete="off"
                autocapitalize="off"
                rows={22}
                aria-describedby="plan-help"
                value={manifest}
                onInput={(event) => {
                  draft.value = { ...draft.value, manifest: event.currentTarget.value };
                }}
              />
              <p id="plan-help" class="small muted">
                {t("plan.help")}
              </p>
            </div>
            <label class="row tight">
              <input
                type="checkbox"
                checked={remove}
                onChange={(event) => {
                  draft.value = { ...draft.value, remove: event.currentTarget.checked };
                }}
              />
              {t("plan.remove")}
            </label>
            <div class="row">
              <button type="submit" class="button primary" aria-disabled={manifest.trim() === ""}>
                {t("plan.plan")}
              </button>
              {manifest.trim() === "" && (
                <button
                  type="button"
                  class="button"
                  onClick={() => {
                    draft.value = {
                      namespace: namespace || (me.namespaces[0] ?? ""),
                      manifest: EXAMPLE,
                      remove: false,
                    };
                  }}
                >
                  {t("plan.example")}
                </button>
              )}
            </div>
          </div>
        </form>
        <div class="stack">
          {planned.state === "none" && (
            <section class="card">
              <Empty icon="plan" title={t("plan.empty")}>
                {t("plan.empty.why")}
              </Empty>
            </section>
          )}
          {planned.state === "busy" && (
            <section class="card">
              <Skeleton />
            </section>
          )}
          {planned.state === "failed" && <ProblemNote problem={planned.problem} />}
          {planned.state === "done" && (
            <>
              {!isCurrent && (
                <p class="notice" role="status">
                  {t("plan.stale")}
                </p>
              )}
              <Changes of={planned.answer} />
              <section class="card">
                <div class="card-head">
                  <h2>{t("plan.apply")}</h2>
                </div>
                <div class="card-body stack">
                  <p class="muted">{t("plan.applyAbout")}</p>
                  <pre class="code">{commandOf(planned.of)}</pre>
                  <CopyButton text={commandOf(planned.of)} />
                </div>
              </section>
            </>
          )}
        </div>
      </div>
    </>
  );
}

function commandOf({ manifest, namespace, remove }: Draft): string {
  return applyCommand(manifest, namespace, remove);
}

function Changes({ of: { changes, more, totals, notes } }: { readonly of: PlanAnswer }) {
  const { t, number } = wording.value;
  const columns: readonly Column<PlanChange>[] = [
    {
      key: "from",
      title: t("plan.who"),
      class: "wide",
      cell: ({ from, to }) => (
        <span>
          {from} <span aria-hidden="true">→</span>
          <span class="visually-hidden"> {t("plan.towards")} </span> {to}
        </span>
      ),
    },
    {
      key: "change",
      title: t("plan.change"),
      by: ({ change }) => change,
      class: "nowrap",
      cell: ({ change, what }) => (
        <State tone={change === "loses" ? "bad" : "ok"}>{t(`plan.${change}`, { what })}</State>
      ),
    },
    {
      key: "open",
      title: t("plan.open"),
      cell: ({ open, because }) => (
        <span lang="en">
          {open}
          {because !== undefined && <span class="block small muted">{because}</span>}
        </span>
      ),
    },
    {
      key: "pairs",
      title: t("plan.pairs"),
      class: "number",
      by: ({ pairs }) => pairs,
      cell: ({ pairs }) => number(pairs),
    },
  ];
  return (
    <section class="card">
      <div class="card-head">
        <h2>{t("plan.result")}</h2>
        <span class="small muted" role="status">
          {t("plan.totals", { losing: totals.losing, gaining: totals.gaining, n: totals.pairs })}
        </span>
      </div>
      {changes.length === 0 ? (
        <Empty title={t("plan.nothing")}>{t("plan.nothing.why")}</Empty>
      ) : (
        <Table
          caption={t("plan.result")}
          columns={columns}
          rows={changes}
          keyOf={(one) => `${one.change} ${one.from} ${one.to} ${one.what}`}
          size={50}
        />
      )}
      {more > 0 && <p class="card-foot">{t("plan.more", { n: more })}</p>}
      {notes.length > 0 && (
        <div class="card-body">
          <h3>{t("plan.notes")}</h3>
          <ul class="lines" lang="en">
            {notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </div>
      )}
    </section>
  );
}
