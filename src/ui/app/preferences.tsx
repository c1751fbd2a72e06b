// SPDX-License-Identifier: Apache-2.0

import { Icon } from "../components/icon.tsx";
import { language, type Theme, theme, wording } from "./settings.ts";

const NEXT: Readonly<Record<Theme, Theme>> = { system: "light", light: "dark", dark: "system" };

/** Language and theme, a button each. */
export function Preferences() {
  const { t } = wording.value;
  const other = language.value === "en" ? "zh" : "en";
  const themeLabel = t("theme.label", { now: t(`theme.${theme.value}`) });
  return (
    <span class="row tight">
      <button
        type="button"
        class="button quiet"
        lang={other === "zh" ? "zh-CN" : "en"}
        onClick={() => {
          language.value = other;
        }}
      >
        <Icon name="language" />
        {other === "zh" ? "中文" : "English"}
      </button>
      <button
        type="button"
        class="icon-button"
        aria-label={themeLabel}
        title={themeLabel}
        onClick={() => {
          theme.value = NEXT[theme.value];
        }}
      >
        <Icon name="theme" />
      </button>
    </span>
  );
}
