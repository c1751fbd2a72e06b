// SPDX-License-Identifier: Apache-2.0

import { useRef, useState } from "preact/hooks";
import { logIn, type PageSession } from "../client/session.ts";
import { Logo } from "../components/logo.tsx";
import { ProblemNote } from "../components/placeholders.tsx";
import { ApiProblem, type PageProblem } from "../model/problem.ts";
import { Preferences } from "./preferences.tsx";
import { wording } from "./settings.ts";

const COMMAND = "kubectl -n kube-system create token weft-ui";

/** Asks for a token. */
export function Login({ session }: { readonly session: Extract<PageSession, { readonly state: "out" }> }) {
  const { t } = wording.value;
  const field = useRef<HTMLInputElement>(null);
  const [problem, setProblem] = useState<PageProblem | undefined>(session.problem);
  const [busy, setBusy] = useState(false);
  const submit = async (): Promise<void> => {
    const token = field.current?.value.trim() ?? "";
    if (token === "") {
      setProblem({ code: "invalid", message: "" });
      field.current?.focus();
      return;
    }
    setBusy(true);
    setProblem(undefined);
    try {
      await logIn(token);
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      setProblem(error.problem);
      setBusy(false);
      field.current?.select();
    }
  };
  return (
    <main class="login">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <div class="row between">
          <h1 class="row">
            <Logo size={26} /> {t("login.title")}
          </h1>
          <Preferences />
        </div>
        <p class="muted">{t(session.expired ? "login.expired" : "login.about")}</p>
        <div class="field">
          <label for="token">{t("login.token")}</label>
          <input
            ref={field}
            id="token"
            class="input"
            type="password"
            autocomplete="off"
            spellcheck={false}
            aria-describedby="token-help"
            autofocus
          />
        </div>
        {problem !== undefined &&
          (problem.code === "unauthenticated" ? (
            <p class="problem" role="alert">
              {t("login.refused")}
            </p>
          ) : problem.code === "invalid" && problem.message === "" ? (
            <p class="problem" role="alert">
              {t("login.empty")}
            </p>
          ) : (
            <ProblemNote problem={problem} />
          ))}
        <button type="submit" class="button primary" aria-disabled={busy}>
          {t(busy ? "login.busy" : "login.submit")}
        </button>
        <div id="token-help" class="stack small muted">
          <p>{t("login.how")}</p>
          <pre class="code wrap">{COMMAND}</pre>
          <p>{t("login.kept")}</p>
        </div>
      </form>
    </main>
  );
}
