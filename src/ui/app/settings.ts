// SPDX-License-Identifier: Apache-2.0

import { computed, effect, signal } from "@preact/signals";
import { type Language, languageFrom, type Texts, textsOf } from "../messages/texts.ts";

/** How the page looks: as the system does, or always one way. */
export type Theme = "system" | "light" | "dark";

const THEMES: readonly Theme[] = ["system", "light", "dark"];

function stored(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    // A browser that keeps nothing for this page.
    return null;
  }
}

function store(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // It lasts until the page is closed, then.
  }
}

/** The chosen language. */
export const language = signal<Language>(languageFrom(stored("weft.language"), navigator.languages));
/** The chosen theme. */
export const theme = signal<Theme>(THEMES.find((one) => one === stored("weft.theme")) ?? "system");
/** Texts, numbers and times of the chosen language: what reads it is rendered again when the language changes. */
export const wording = computed<Texts>(() => textsOf(language.value));

/** Applies both to the document and keeps them for the next visit, now and whenever they change. */
export function applySettings(): void {
  effect(() => {
    document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
    store("weft.language", language.value);
  });
  effect(() => {
    document.documentElement.dataset["theme"] = theme.value;
    store("weft.theme", theme.value);
  });
}
