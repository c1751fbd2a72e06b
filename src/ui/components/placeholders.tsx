// SPDX-License-Identifier: Apache-2.0

import type { ComponentChildren } from "preact";
import { wording } from "../app/settings.ts";
import type { Resource } from "../client/resource.ts";
import type { PageProblem } from "../model/problem.ts";
import { Icon, type IconName } from "./icon.tsx";

/** Where nothing is to be shown, and what one can do about it. */
export function Empty({
  icon = "ok",
  title,
  children,
}: {
  readonly icon?: IconName;
  readonly title: string;
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="empty">
      <Icon name={icon} size={28} />
      <p class="empty-title">{title}</p>
      {children !== undefined && <p>{children}</p>}
    </div>
  );
}

/** The place of what is being read; as high as what comes, roughly. */
export function Skeleton({ lines = 6 }: { readonly lines?: number }) {
  return (
    <div class="skeleton" aria-busy="true">
      <p class="visually-hidden">{wording.value.t("state.loading")}</p>
      {Array.from({ length: lines }, (_, index) => (
        <span key={index} />
      ))}
    </div>
  );
}

/** What went wrong, in the language where the page knows it, and what the server said. */
export function ProblemNote({ problem, retry }: { readonly problem: PageProblem; readonly retry?: () => void }) {
  const { t } = wording.value;
  return (
    <div class="problem" role="alert">
      <div class="row tone-bad">
        <Icon name="bad" />
        <strong>{t(`problem.${problem.code}`)}</strong>
      </div>
      {problem.message !== "" && <p lang="en">{problem.message}</p>}
      {retry !== undefined && (
        <div>
          <button type="button" class="button" onClick={retry}>
            {t("action.retry")}
          </button>
        </div>
      )}
    </div>
  );
}

/**
 * The content of a resource once it is there. A failure takes its place only where nothing was read before: what is
 * shown already stays, with the failure above it.
 */
export function Loaded<T>({
  from,
  lines = 6,
  children,
}: {
  readonly from: Resource<T>;
  readonly lines?: number;
  readonly children: (data: T) => ComponentChildren;
}) {
  const { data, problem, retry } = from;
  return (
    <>
      {problem !== undefined && <ProblemNote problem={problem} retry={retry} />}
      {data === undefined ? problem === undefined && <Skeleton lines={lines} /> : children(data)}
    </>
  );
}
