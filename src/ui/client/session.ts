// SPDX-License-Identifier: Apache-2.0

import { signal } from "@preact/signals";
import type { LoginRequest, Me } from "../../page/contract.ts";
import { ApiProblem, type PageProblem } from "../model/problem.ts";
import { apiUrl, request } from "./api.ts";

/** Whether someone is logged in. */
export type PageSession =
  | { readonly state: "asking" }
  /** `expired`: a login has ended while the page was open. */
  | { readonly state: "out"; readonly expired: boolean; readonly problem?: PageProblem }
  | { readonly state: "in"; readonly me: Me };

/** The session of this page. */
export const session = signal<PageSession>({ state: "asking" });

/** Asks the server who is logged in. */
export async function askWhoIsLoggedIn(): Promise<void> {
  try {
    session.value = { state: "in", me: await request<Me>(apiUrl("me")) };
  } catch (error) {
    if (!(error instanceof ApiProblem)) throw error;
    const { problem } = error;
    session.value =
      problem.code === "unauthenticated" ? { state: "out", expired: false } : { state: "out", expired: false, problem };
  }
}

/** Logs in. Rejects with an {@link ApiProblem}. The token is not kept by the page: the server's cookie stands for it. */
export async function logIn(token: string): Promise<void> {
  const body: LoginRequest = { token };
  const me = await request<Me>(apiUrl("login"), {
    method: "POST",
    body: JSON.stringify(body),
    contentType: "application/json",
  });
  session.value = { state: "in", me };
}

/** Logs out, for the page at once; the server is told, and if it cannot be, the cookie ends by itself. */
export async function logOut(): Promise<void> {
  session.value = { state: "out", expired: false };
  try {
    await request(apiUrl("login"), { method: "DELETE" });
  } catch (error) {
    if (!(error instanceof ApiProblem)) throw error;
    session.value = { state: "out", expired: false, problem: error.problem };
  }
}

/** What is to be done where the server no longer knows the login. */
export function loginEnded(): void {
  if (session.value.state === "in") session.value = { state: "out", expired: true };
}
