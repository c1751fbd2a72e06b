// SPDX-License-Identifier: Apache-2.0

import { useState } from "preact/hooks";
import type { FindHit, ReachAnswer, ReachDecision, ReachPath, ReachStep } from "../../page/contract.ts";
import { go, route } from "../app/navigation.ts";
import { wording } from "../app/settings.ts";
import { apiUrl } from "../client/api.ts";
import { useResource } from "../client/resource.ts";
import { CopyButton } from "../components/copy-button.tsx";
import { FindField } from "../components/find-field.tsx";
import { Icon, type IconName } from "../components/icon.tsx";
import { nameOf } from "../components/object-link.tsx";
import { Empty, Loaded } from "../components/placeholders.tsx";
import type { Tone } from "../model/tone.ts";
import { PageHead } from "./page-head.tsx";

const PROTOCOLS = ["tcp", "udp", "sctp", "icmp"] as const;

/** Whether one end may talk to another, and why. */
export function ReachView() {
  const { t } = wording.value;
  const { from = "", to = "", protocol = "tcp", port = "" } = route.value.query;
  const complete = from !== "" && to !== "" && (protocol === "icmp" || port !== "");
  const query = protocol === "icmp" ? { from, to } : { from, to, protocol, port };
  const answer = useResource<ReachAnswer>(complete ? apiUrl("reach", query) : undefined, [
    "pods",
    "policies",
    "subnets",
    "vpcs",
    "nodes",
    "services",
    "namespaces",
  ]);
  return (
    <>
      <PageHead title={t("view.reach")} about={t("reach.about")} />
      <div class="stack">
        <section class="card">
          <Question key={`${from} ${to} ${protocol} ${port}`} />
        </section>
        {complete ? (
          <Loaded from={answer} lines={10}>
            {(data) => <Answer of={data} />}
          </Loaded>
        ) : (
          <section class="card">
            <Empty icon="reach" title={t("reach.empty")}>
              {t("reach.empty.why")}
            </Empty>
          </section>
        )}
      </div>
    </>
  );
}

function Question() {
  const { t } = wording.value;
  const { query } = route.value;
  const [from, setFrom] = useState(query["from"] ?? "");
  const [to, setTo] = useState(query["to"] ?? "");
  const [protocol, setProtocol] = useState(query["protocol"] ?? "tcp");
  const [port, setPort] = useState(query["port"] ?? "80");
  const [missing, setMissing] = useState(false);
  const submit = (): void => {
    const asked = { from: from.trim(), to: to.trim(), protocol, port: protocol === "icmp" ? "" : port.trim() };
    const lacks = asked.from === "" || asked.to === "" || (protocol !== "icmp" && asked.port === "");
    setMissing(lacks);
    if (!lacks) go({ view: "reach", query: asked });
  };
  const pick = (hit: FindHit): string => (hit.kind === "Service" ? `svc/${nameOf(hit)}` : nameOf(hit));
  return (
    <form
      class="card-body stack"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <div class="ask">
        <div class="field">
          <span class="label">{t("reach.from")}</span>
          <FindField
            id="reach-from"
            label={t("reach.from")}
            placeholder={t("reach.pod")}
            kinds={["Pod"]}
            value={from}
            onText={setFrom}
            onPick={pick}
          />
        </div>
        <div class="field">
          <span class="label">{t("reach.to")}</span>
          <FindField
            id="reach-to"
            label={t("reach.to")}
            placeholder={t("reach.podOrAddress")}
            kinds={["Pod", "Service"]}
            value={to}
            onText={setTo}
            onPick={pick}
          />
        </div>
        <div class="field">
          <label for="reach-port">{t("reach.port")}</label>
          <span class="row tight ports">
            <select
              class="select"
              aria-label={t("reach.protocol")}
              value={protocol}
              onChange={(event) => setProtocol(event.currentTarget.value)}
            >
              {PROTOCOLS.map((one) => (
                <option key={one} value={one}>
                  {one.toUpperCase()}
                </option>
              ))}
            </select>
            <input
              id="reach-port"
              class="input"
              value={protocol === "icmp" ? "" : port}
              disabled={protocol === "icmp"}
              onInput={(event) => setPort(event.currentTarget.value)}
            />
          </span>
        </div>
        <button type="submit" class="button primary">
          {t("reach.ask")}
        </button>
      </div>
      {missing && (
        <p class="tone-bad" role="alert">
          {t("reach.missing")}
        </p>
      )}
    </form>
  );
}

const VERDICTS: Readonly<Record<ReachAnswer["verdict"], readonly [tone: Tone, icon: IconName]>> = {
  allowed: ["ok", "ok"],
  denied: ["bad", "bad"],
  partly: ["warn", "warn"],
  uncertain: ["warn", "unknown"],
};

function Answer({ of: { from, to, port, verdict, problem, paths, warnings } }: { readonly of: ReachAnswer }) {
  const { t } = wording.value;
  const [tone, icon] = VERDICTS[verdict];
  return (
    <>
      <section class="stack" aria-label={t("reach.answer")}>
        <div class={`verdict ${tone}`} role="status">
          <Icon name={icon} size={22} />
          <span>{t(`reach.${verdict}`, { from, to, port })}</span>
        </div>
        {problem !== undefined && <p lang="en">{problem}</p>}
      </section>
      {paths.map((path) => (
        <Path key={`${path.family} ${path.source} ${path.destination} ${path.port}`} of={path} />
      ))}
      {warnings.length > 0 && (
        <section class="card">
          <div class="card-head">
            <h2>{t("reach.notIncluded")}</h2>
          </div>
          <ul class="lines card-body" lang="en">
            {warnings.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

const STEP_MARKS: Readonly<Record<ReachStep["verdict"], readonly [tone: Tone, icon: IconName]>> = {
  passes: ["ok", "ok"],
  dropped: ["bad", "bad"],
  unknown: ["warn", "unknown"],
  outside: ["off", "outside"],
};

function Path({ of }: { readonly of: ReachPath }) {
  const { t } = wording.value;
  const { family, source, destination, verdict, service, steps, droppedBy, remedy, decisions } = of;
  return (
    <section class="card">
      <div class="card-head">
        <h2>
          {family} <span class="mono path-ends">{`${source} → ${destination}`}</span>
        </h2>
        <span class={`tone-${verdict === "dropped" ? "bad" : verdict === "uncertain" ? "warn" : "ok"}`}>
          {t(`path.${verdict}`)}
        </span>
      </div>
      <div class="card-body path-columns">
        <div class="stack">
          {service !== undefined && (
            <p class="muted" lang="en">
              {service}
            </p>
          )}
          <ol class="steps" aria-label={t("reach.steps")}>
            {steps.map(({ at, what, verdict: mark }, index) => {
              const [tone, icon] = STEP_MARKS[mark];
              return (
                <li key={`${index} ${at}`}>
                  <span class={`tone-${tone}`}>
                    <Icon name={icon} size={18} />
                    <span class="visually-hidden">{t(`step.${mark}`)}</span>
                  </span>
                  <div lang="en">
                    <span class="at">{at}</span>
                    <span class="block muted">{what}</span>
                  </div>
                </li>
              );
            })}
          </ol>
        </div>
        <div class="stack">
          {droppedBy !== undefined && (
            <div class="problem">
              <p>
                <strong>{t("reach.droppedBy")}</strong> <span lang="en">{droppedBy}</span>
              </p>
            </div>
          )}
          {remedy !== undefined && (
            <div class="section">
              <h3>{t("reach.remedy")}</h3>
              <pre class="code wrap" lang="en">
                {remedy}
              </pre>
              <CopyButton text={remedy} />
            </div>
          )}
          <h3>{t("reach.decisions")}</h3>
          <ul class="lines">
            {decisions.map((decision, index) => (
              <Decision key={`${index} ${decision.at}`} of={decision} />
            ))}
          </ul>
          {decisions.length === 0 && <p class="muted">{t("reach.noDecisions")}</p>}
        </div>
      </div>
    </section>
  );
}

function Decision({ of: { what, at, verdict, because, policies, nearest, acl } }: { readonly of: ReachDecision }) {
  const { t } = wording.value;
  return (
    <li>
      <details>
        <summary>
          <span class={`tone-${verdict === "allowed" ? "ok" : "bad"}`}>{t(`decision.${verdict}`)}</span>{" "}
          {t(`decision.${what}`)} <span lang="en">{at}</span>
          <span class="block small muted" lang="en">
            {because}
          </span>
        </summary>
        <div class="stack small details">
          {policies.length > 0 && (
            <p>
              {t("decision.policies")} {wording.value.list(policies)}
            </p>
          )}
          {nearest.length > 0 && (
            <div>
              <p>{t("decision.nearest")}</p>
              <ul class="lines" lang="en">
                {nearest.map((text) => (
                  <li key={text}>{text}</li>
                ))}
              </ul>
            </div>
          )}
          {acl !== undefined && (
            <pre class="code wrap">{`${acl.direction} tier ${acl.tier} priority ${acl.priority} ${acl.action}\n${acl.match}\n${acl.uuid}`}</pre>
          )}
        </div>
      </details>
    </li>
  );
}
