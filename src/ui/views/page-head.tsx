// SPDX-License-Identifier: Apache-2.0

import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { wording } from "../app/settings.ts";

/** The heading of a view, which is the document's title too. */
export function PageHead({
  title,
  about,
  children,
}: {
  readonly title: string;
  readonly about?: string | undefined;
  readonly children?: ComponentChildren;
}) {
  const { t } = wording.value;
  useEffect(() => {
    document.title = `${title} – ${t("app.name")}`;
  }, [title, t]);
  return (
    <div class="page-head">
      <div>
        <h1 tabIndex={-1}>{title}</h1>
        {about !== undefined && <p>{about}</p>}
      </div>
      {children !== undefined && <div class="row">{children}</div>}
    </div>
  );
}
