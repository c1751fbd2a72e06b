// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { render } from "./template.ts";

const text = (source: string, given = {}): string => render(source, given).text;

t.test("variables, defaults and values set in the task are put in; what is given wins", async (t) => {
  t.equal(text("repeat: {{ repeat }}", { repeat: 3 }), "repeat: 3");
  t.equal(text("repeat: {{ repeat | default(2) }}"), "repeat: 2");
  t.equal(text('name: {{ name | default("a b") }}'), "name: a b");
  t.equal(text("{% set n = 4 %}\nn: {{ n }}"), "n: 4");
  t.equal(text("{% set n = 4 %}\nn: {{ n }}", { n: 5 }), "n: 5");
  t.equal(text("list: {{ list }}", { list: ["a", 1] }), 'list: ["a",1]');
});

t.test("loops repeat lines, also within each other, and each line knows where it comes from", async (t) => {
  const source = [
    '{% for part in ["nb", "sb"] %}',
    "{% for n in [1, 2] %}",
    "- {{ part }}{{ n }}",
    "{% endfor %}",
    "{% endfor %}",
    "end: true",
  ];
  const rendered = render(source.join("\n"), {});
  t.equal(rendered.text, "- nb1\n- nb2\n- sb1\n- sb2\nend: true");
  t.same(rendered.lines, [3, 3, 3, 3, 6]);
});

t.test("comments keep their braces", async (t) => {
  t.equal(text("# {{ unknown }} {% x %}"), "# {{ unknown }} {% x %}");
});

t.test("what is malformed is said with its line", async (t) => {
  for (const [source, message] of [
    ["a\nb: {{ unknown }}", "line 2: {{ unknown }} has no value; give it with --set unknown=VALUE"],
    ["b: {{ 1 + 1 }}", "line 1: cannot read {{ 1 + 1 }}"],
    ["a\n{% for n in [1] %}\n- {{ n }}", "line 2: for without an endfor"],
    ["{% endfor %}", "line 1: endfor without a for"],
    ["{% if x %}", 'line 1: unknown directive "if x"'],
    ["a: {% set n = 1 %}", "line 1: {% … %} must stand on a line of its own"],
    ["{% set n = [1, %}", "line 1: [1, is neither a name nor JSON"],
    ["{% for n in 3 %}\n{% endfor %}", 'line 1: "3" is not a list'],
    ["{% for n in names %}\n{% endfor %}", "line 1: names has no value"],
  ] as const) {
    t.throws(() => render(source, {}), { code: "invalid-task", message: new RegExp(escaped(message)) }, source);
  }
});

t.test("loops that would fill the memory end with an error", async (t) => {
  const list = JSON.stringify(Array.from({ length: 200 }, (_, n) => n));
  const source = `{% set l = ${list} %}\n{% for a in l %}\n{% for b in l %}\n- 1\n{% endfor %}\n{% endfor %}`;
  t.throws(() => render(source, {}), { message: /line 4: the task has more than 20000 lines/ });
});

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
