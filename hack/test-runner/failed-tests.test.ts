import t from "tap";
import { failedTests } from "./failed-tests.ts";

const OUTPUT = `
Asserts:  12 pass  3 fail  15 of 15 complete

 FAIL  src/daemon/small-parts.test.ts 1 failed of 13 897ms
✖ the process shows its own figures > should match pattern provided
  src/daemon/small-parts.test.ts
  120   t.match(text, /^process_cpu_seconds_total 0/m);
 FAIL  src/ipam/ipam.test.ts 2 failed of 2 267ms
✖ nobody gets an address of a pool that is for another namespace, by whatever way
  he asks for it > should be equal
✖ nobody gets an address of a pool that is for another namespace, by whatever way
  he asks for it > the Vip of no namespace
 FAIL  src/kube/rest.test.ts 61s
# { total: 15, pass: 12, fail: 3 }
`;

t.test("the closing line names each file that failed, and its tests once", async (t) => {
  t.same(failedTests(OUTPUT, []), [
    'src/daemon/small-parts.test.ts ("the process shows its own figures")',
    'src/ipam/ipam.test.ts ("nobody gets an address of a pool that is for another namespace, by whatever way he asks for it")',
    "src/kube/rest.test.ts",
  ]);
});

t.test("of many tests of a file a few are named, and where nothing can be told, the files", async (t) => {
  const many = [" FAIL  a.test.ts", ...["a", "b", "c", "d", "e"].map((name) => `✖ ${name} > ok`)].join("\n");
  t.same(failedTests(many, []), ['a.test.ts ("a", "b", "c", 2 more)']);
  t.same(failedTests("killed", ["a.test.ts"]), ["a.test.ts"]);
  t.same(failedTests("killed", ["a", "b", "c", "d"]), ["one of 4 files"]);
});
