// SPDX-License-Identifier: Apache-2.0

import type { Catalogue, MessageKey } from "./catalogue.ts";
import { EN } from "./en.ts";
import { ZH } from "./zh.ts";

/** A language of the page. */
export type Language = "en" | "zh";

/** What is written at the places of a message. */
export type Params = Readonly<Record<string, string | number>>;

/** The messages of each language. */
export const CATALOGUES: Readonly<Record<Language, Catalogue>> = { en: EN, zh: ZH };

/** Texts, numbers and times in one language. */
export interface Texts {
  readonly language: Language;
  /** The message; numbers at its places are written as the language does. */
  t(key: MessageKey, params?: Params): string;
  /** Rounded and in words above a billion. */
  number(value: number): string;
  /** A share from 0 to 1. Between 0 and 1 %, and between 99 and 100 %, with a decimal: what is almost full is not full. */
  percent(share: number): string;
  /** The time of day, `13:04:09`. `ms` since 1970. */
  time(ms: number): string;
  /** Date and time. `ms` since 1970. */
  dateTime(ms: number): string;
  /** How long ago: `5 minutes ago`. Both in ms since 1970. */
  ago(ms: number, now: number): string;
  /** Compares names in the language's order, numbers in them by value. */
  compare(a: string, b: string): number;
  /** A list of names: `a, b and c`. */
  list(names: readonly string[]): string;
}

const LOCALES: Readonly<Record<Language, string>> = { en: "en-GB", zh: "zh-CN" };
const AGES = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
] as const;

/** From this on a number is rounded: the addresses of an IPv6 subnet. */
const HUGE = 1e9;
/** A smaller share is "less than" it. */
const LEAST = 0.001;

/** Makes the texts of a language. `timeZone`: an IANA name; by default the browser's. */
export function textsOf(language: Language, timeZone?: string): Texts {
  const locale = LOCALES[language];
  const catalogue = CATALOGUES[language];
  const zone = timeZone === undefined ? {} : { timeZone };
  const numbers = new Intl.NumberFormat(locale);
  const rough = new Intl.NumberFormat(locale, { style: "percent" });
  const fine = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 });
  const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" } as const;
  const times = new Intl.DateTimeFormat(locale, { ...clock, ...zone });
  const dates = new Intl.DateTimeFormat(locale, { ...clock, ...zone, year: "numeric", month: "short", day: "numeric" });
  const ages = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  const plurals = new Intl.PluralRules(locale);
  const names = new Intl.Collator(locale, { numeric: true });
  const lists = new Intl.ListFormat(locale);
  const short = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
  const number = (value: number): string => (value < HUGE ? numbers : short).format(value);
  const share = (value: number): string => {
    if (value > 0 && value < LEAST) return `<${fine.format(LEAST)}`;
    return ((value > 0 && value < 0.01) || (value > 0.99 && value < 1) ? fine : rough).format(value);
  };
  return {
    language,
    number,
    t(key, params = {}) {
      const message = catalogue[key];
      const { n } = params;
      const form = typeof n === "number" && plurals.select(n) === "one" ? "one" : "other";
      const text = typeof message === "string" ? message : message[form];
      return text.replaceAll(/\{(\w+)\}/g, (place, name: string) => {
        const value = params[name];
        return typeof value === "number" ? number(value) : (value ?? place);
      });
    },
    percent: share,
    time: (ms) => times.format(ms),
    dateTime: (ms) => dates.format(ms),
    ago(ms, now) {
      const seconds = Math.max(0, Math.round((now - ms) / 1000));
      const [unit, length] = AGES.find(([, size]) => seconds >= size) ?? (["second", 1] as const);
      return ages.format(-Math.floor(seconds / length), unit);
    },
    compare: names.compare,
    list: (all) => lists.format(all),
  };
}

/** The language to begin with: the chosen one, or else the first of the browser's that the page has; English if it has none. */
export function languageFrom(chosen: string | null, preferred: readonly string[]): Language {
  const known = (tag: string): Language | undefined =>
    (["en", "zh"] as const).find((one) => tag.toLowerCase().split("-")[0] === one);
  return (chosen === null ? undefined : known(chosen)) ?? preferred.flatMap((tag) => known(tag) ?? [])[0] ?? "en";
}
