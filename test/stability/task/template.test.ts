// SPDX-License-Identifier: Apache-2.0

import { join } from "node:path";
import t from "tap";
import { render, shownPlace } from "./template.ts";

const text = (source: string, given = {}): string => render("t.yaml", source, given).text;

t.test("variables, defaults and values set in the task are substituted; given values take precedence", async (t) => {
  t.equal(text("repeat: {{ repeat }}", { repeat: 3 }), "repeat: 3");
  t.equal(text("repeat: {{ repeat | default(2) }}"), "repeat: 2");
  t.equal(text('name: {{ name | default("a b") }}'), "name: a b");
  t.equal(text("{% set n = 4 %}\nn: {{ n }}"), "n: 4");
  t.equal(text("{% set n = 4 %}\nn: {{ n }}", { n: 5 }), "n: 5");
  t.equal(text("list: {{ list }}", { list: ["a", 1] }), 'list: ["a",1]');
});

t.test("loops repeat lines, also nested, and each line keeps its origin", async (t) => {
  const source = [
    '{% for part in ["nb", "sb"] %}',
    "{% for n in [1, 2] %}",
    "- {{ part }}{{ n }}",
    "{% endfor %}",
    "{% endfor %}",
    "end: true",
  ];
  const rendered = render("t.yaml", source.join("\n"), {});
  t.equal(rendered.text, "- nb1\n- nb2\n- sb1\n- sb2\nend: true");
  t.same(rendered.lines.map(shownPlace), ["t.yaml:3", "t.yaml:3", "t.yaml:3", "t.yaml:3", "t.yaml:6"]);
});

t.test("an included file is inserted where it is named, has the variables, and its own line numbers", async (t) => {
  const folder = t.testdir({
    "parts.yaml": "runs:\n{% for part in parts %}\n- {{ part }}\n{% endfor %}",
    loop: '{% include "loop" %}',
  });
  const file = join(folder, "t.yaml");
  const rendered = render(file, 'title: t\n{% set parts = ["nb"] %}\n{% include "parts.yaml" %}\nend: true', {});
  t.equal(rendered.text, "title: t\nruns:\n- nb\nend: true");
  const parts = join(folder, "parts.yaml");
  t.same(rendered.lines.map(shownPlace), [`${file}:1`, `${parts}:1`, `${parts}:3`, `${file}:4`]);
  const failing = (source: string, message: string): void =>
    void t.throws(() => render(file, source, {}), { code: "invalid-task", message: new RegExp(escaped(message)) });
  failing('{% include "parts.yaml" %}', `${parts}:2: parts has no value`);
  failing('a\n{% include "none.yaml" %}', `${file}:2: cannot include ${join(folder, "none.yaml")}: ENOENT`);
  failing('{% include "loop" %}', `${join(folder, "loop")}:1: files include each other more than 8 deep`);
});

t.test("braces in comments are not changed", async (t) => {
  t.equal(text("# {{ unknown }} {% x %}"), "# {{ unknown }} {% x %}");
});

t.test("syntax errors have their line", async (t) => {
  for (const [source, message] of [
    ["a\nb: {{ unknown }}", "t.yaml:2: {{ unknown }} has no value; give it with --set unknown=VALUE"],
    ["b: {{ 1 + 1 }}", "t.yaml:1: cannot read {{ 1 + 1 }}"],
    ["a\n{% for n in [1] %}\n- {{ n }}", "t.yaml:2: for without an endfor"],
    ["{% endfor %}", "t.yaml:1: endfor without a for"],
    ["{% if x %}", 't.yaml:1: unknown directive "if x"'],
    ["a: {% set n = 1 %}", "t.yaml:1: {% … %} must stand on a line of its own"],
    ["{% set n = [1, %}", "t.yaml:1: [1, is neither a name nor JSON"],
    ["{% for n in 3 %}\n{% endfor %}", 't.yaml:1: "3" is not a list'],
    ["{% for n in names %}\n{% endfor %}", "t.yaml:1: names has no value"],
  ] as const) {
    t.throws(
      () => render("t.yaml", source, {}),
      { code: "invalid-task", message: new RegExp(escaped(message)) },
      source,
    );
  }
});

t.test("loops that would fill the memory fail with an error", async (t) => {
  const list = JSON.stringify(Array.from({ length: 200 }, (_, n) => n));
  const source = `{% set l = ${list} %}\n{% for a in l %}\n{% for b in l %}\n- 1\n{% endfor %}\n{% endfor %}`;
  t.throws(() => render("t.yaml", source, {}), { message: /t.yaml:4: the task has more than 20000 lines/ });
  const nested = `${"{% for a in [1,2,3,4,5,6,7,8] %}\n".repeat(12)}${"{% endfor %}\n".repeat(12)}`;
  t.throws(() => render("t.yaml", nested, {}), { message: /the task has more than 20000 lines/ }, "nor do they hang");
});

t.test("a value of several lines does not move the lines after it", async (t) => {
  const rendered = render("t.yaml", "a: {{ a }}\nb: 1", { a: "|\n  x\n  y" });
  t.equal(rendered.text, "a: |\n  x\n  y\nb: 1");
  t.same(rendered.lines.map(shownPlace), ["t.yaml:1", "t.yaml:1", "t.yaml:1", "t.yaml:2"]);
});

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
