// SPDX-License-Identifier: Apache-2.0

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import type { CatalogueMessage } from "./catalogue.ts";
import { CATALOGUES, languageFrom, textsOf } from "./texts.ts";

/** The places of a message, each once. */
function placesOf(message: CatalogueMessage): readonly string[] {
  const forms = typeof message === "string" ? [message] : [message.one, message.other];
  return [...new Set(forms.flatMap((form) => [...form.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name)))].sort();
}

t.test("both languages have the same messages, with the same places", async (t) => {
  const { en, zh } = CATALOGUES;
  t.strictSame(Object.keys(zh).sort(), Object.keys(en).sort());
  for (const [key, message] of Object.entries(en)) {
    t.strictSame(placesOf(zh[key as keyof typeof zh]), placesOf(message), key);
  }
});

t.test("no message is empty, and none is left in English in the Chinese catalogue", async (t) => {
  const same = new Set(["app.name"]);
  for (const [key, message] of Object.entries(CATALOGUES.zh)) {
    const text = typeof message === "string" ? message : message.other;
    t.not(text.trim(), "", key);
    // Terms of the field stay as they are: VPC, Pod, YAML.
    if (!same.has(key) && !/^[A-Z]/.test(text))
      t.match(text.replaceAll(/\{\w+\}|Mbit\/s/g, ""), /[\u4e00-\u9fff]|^[^a-z]*$/, `${key}: ${text}`);
  }
});

t.test("every message is used", async (t) => {
  const folder = join(import.meta.dirname, "..");
  const files = globSync("**/*.{ts,tsx}", { cwd: folder }).filter((file) => !/^messages\/|\.test\.ts$/.test(file));
  const code = files.map((file) => readFileSync(join(folder, file), "utf8")).join("\n");
  const unused = Object.keys(CATALOGUES.en).filter((key) => {
    const prefix = `${key.slice(0, key.lastIndexOf("."))}.`;
    return !code.includes(`"${key}"`) && !code.includes(`\`${prefix}\${`);
  });
  t.strictSame(unused, []);
});

t.test("numbers, shares and times are written as the language does", async (t) => {
  const en = textsOf("en", "UTC");
  const zh = textsOf("zh", "UTC");
  t.equal(en.number(12345.5), "12,345.5");
  t.equal(zh.number(2 ** 53), "9007.2万亿");
  t.equal(en.percent(1e-9), "<0.1%");
  t.strictSame([0, 0.004, 0.5, 0.996, 1].map(en.percent), ["0%", "0.4%", "50%", "99.6%", "100%"]);
  t.equal(en.time(Date.UTC(2026, 0, 2, 3, 4, 5)), "03:04:05");
  t.equal(zh.dateTime(Date.UTC(2026, 0, 2, 3, 4, 5)), "2026年1月2日 03:04:05");
  t.equal(en.ago(0, 150_000), "2 minutes ago");
  t.equal(zh.ago(0, 150_000), "2分钟前");
  t.equal(en.ago(5_000, 0), "now", "a clock that is behind is no future");
  t.strictSame(["web-10", "web-9"].toSorted(en.compare), ["web-9", "web-10"]);
});

t.test("a count decides about the form of a message", async (t) => {
  const { t: text } = textsOf("en");
  t.equal(text("count.pods", { n: 1 }), "1 pod");
  t.equal(text("count.pods", { n: 5000 }), "5,000 pods");
  t.equal(text("table.shown", { shown: 100, n: 5000 }), "100 of 5,000");
});

t.test("what is written at a place is not read as a place again", async (t) => {
  t.equal(textsOf("en").t("search.nothing", { text: "{text} {n}" }).includes("{text} {n}"), true);
});

t.test("the language is the chosen one, then the browser's, then English", async (t) => {
  t.equal(languageFrom("zh", ["en-US"]), "zh");
  t.equal(languageFrom(null, ["fr", "zh-TW", "en"]), "zh");
  t.equal(languageFrom("xx", ["fr"]), "en");
});
