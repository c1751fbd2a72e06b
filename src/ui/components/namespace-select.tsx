// SPDX-License-Identifier: Apache-2.0

import type { Me } from "../../page/contract.ts";
import { ask } from "../app/navigation.ts";
import { wording } from "../app/settings.ts";

/** The choice of a namespace for a list, kept in the page's address; nothing for a user who sees only one. `value`: "" for all of them. */
export function NamespaceSelect({ me, value }: { readonly me: Me; readonly value: string }) {
  const { t } = wording.value;
  if (me.namespaces.length <= 1) return null;
  return (
    <select
      class="select"
      aria-label={t("filter.namespace")}
      value={value}
      onChange={(event) => ask({ namespace: event.currentTarget.value })}
    >
      <option value="">{t("filter.allNamespaces")}</option>
      {me.namespaces.map((name) => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
    </select>
  );
}
