// SPDX-License-Identifier: Apache-2.0

import { useEffect, useRef } from "preact/hooks";
import type { Me } from "../../page/contract.ts";
import { connection } from "../client/live.ts";
import { logOut } from "../client/session.ts";
import { Icon } from "../components/icon.tsx";
import { Logo } from "../components/logo.tsx";
import { linkTo, VIEWS, type View } from "../model/route.ts";
import { FlowsView } from "../views/flows.tsx";
import { GatewaysView } from "../views/gateways.tsx";
import { NodesView } from "../views/nodes.tsx";
import { OverviewView } from "../views/overview.tsx";
import { PlanView } from "../views/plan.tsx";
import { PodsView } from "../views/pods.tsx";
import { PoliciesView } from "../views/policies.tsx";
import { ReachView } from "../views/reach.tsx";
import { SubnetsView } from "../views/subnets.tsx";
import { TopologyView } from "../views/topology.tsx";
import { Find } from "./find.tsx";
import { KeysDialog } from "./keys-dialog.tsx";
import { route } from "./navigation.ts";
import { Preferences } from "./preferences.tsx";
import { wording } from "./settings.ts";

const SHOWN = {
  overview: OverviewView,
  topology: TopologyView,
  subnets: SubnetsView,
  pods: PodsView,
  policies: PoliciesView,
  nodes: NodesView,
  gateways: GatewaysView,
  reach: ReachView,
  plan: PlanView,
  flows: FlowsView,
} as const satisfies Record<View, unknown>;

/** What is around every view: search, navigation, whether the page follows the cluster. */
export function Shell({ me }: { readonly me: Me }) {
  const { t } = wording.value;
  const { view } = route.value;
  const Shown = SHOWN[view];
  const main = useRef<HTMLElement>(null);
  const before = useRef(view);
  useEffect(() => {
    if (before.current === view) return;
    before.current = view;
    scrollTo(0, 0);
    // A reader is told where they are: by the heading, or by that of a pane which has opened with the view.
    if (main.current?.querySelector(".pane") === null) main.current.querySelector<HTMLElement>("h1")?.focus();
  }, [view]);
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        {t("app.skip")}
      </button>
      <header class="bar">
        <a class="brand" href={linkTo("overview")}>
          <Logo size={24} />
          {t("app.name")}
        </a>
        <Find />
        <div class="bar-end">
          <Live />
          <KeysDialog />
          <Preferences />
          <button
            type="button"
            class="icon-button"
            aria-label={t("app.logout", { user: me.user })}
            title={t("app.logout", { user: me.user })}
            onClick={() => void logOut()}
          >
            <Icon name="logout" />
          </button>
        </div>
      </header>
      <nav class="side" aria-label={t("app.navigation")}>
        <ul>
          {VIEWS.map((one) => (
            <li key={one}>
              <a href={linkTo(one)} aria-current={one === view ? "page" : undefined}>
                <Icon name={one} size={17} />
                {t(`view.${one}`)}
              </a>
            </li>
          ))}
        </ul>
        <p class="side-foot small muted">
          {me.user}
          <br />
          {t("app.version", { version: me.version })}
        </p>
      </nav>
      <main class="main" id="main" tabIndex={-1} ref={main}>
        <Lost />
        {!me.clusterWide && (
          <p class="scope small">{t("app.scope", { namespaces: wording.value.list(me.namespaces) })}</p>
        )}
        <Shown me={me} />
      </main>
    </div>
  );
}

/** Whether what is shown is of now. */
function Live() {
  const { t } = wording.value;
  const { state } = connection.value;
  return (
    <span class={`badge live ${state === "live" ? "ok" : state === "lost" ? "warn" : ""}`} role="status">
      <span class="dot" aria-hidden="true" />
      {t(`live.${state}`)}
    </span>
  );
}

/** The time of what is shown, when the connection is lost. */
function Lost() {
  const { t, time } = wording.value;
  const { state, asOf } = connection.value;
  if (state !== "lost") return null;
  return (
    <p class="notice" role="status">
      <Icon name="warn" />
      {asOf === undefined ? t("live.never") : t("live.lostSince", { time: time(asOf) })}
    </p>
  );
}
