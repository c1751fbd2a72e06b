// SPDX-License-Identifier: Apache-2.0

import { useEffect } from "preact/hooks";
import { followChanges } from "../client/live.ts";
import { forget } from "../client/resource.ts";
import { session } from "../client/session.ts";
import { Login } from "./login.tsx";
import { Shell } from "./shell.tsx";

/** The page: the login, or everything else. */
export function App() {
  const now = session.value;
  const loggedIn = now.state === "in";
  useEffect(() => {
    if (!loggedIn) return;
    forget();
    const stop = new AbortController();
    void followChanges(stop.signal);
    return () => stop.abort();
  }, [loggedIn]);
  if (now.state === "asking") return null;
  return now.state === "in" ? <Shell me={now.me} /> : <Login session={now} />;
}
