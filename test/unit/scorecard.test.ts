import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { parseScorecard } from "../../pipelines/config/scorecard.ts";
import { AssayError } from "../../pipelines/lib/errors.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { cardModel, reachProblem } from "../../pipelines/scores/card.ts";
import { readDraft } from "../../pipelines/scores/draft.ts";
import { checkImmutability, recordOf, resolveScorecards } from "../../pipelines/scores/library.ts";
import { scoreInWords } from "../../pipelines/scores/preview.ts";
import type { Bounding } from "../../pipelines/scores/reach.ts";
import { spread } from "../../pipelines/scores/weights.ts";
import { bandsInWords, pointsInWords } from "../../pipelines/scores/words.ts";
import { applied } from "../scored.ts";

const presetFolder = join(projectRoot, "sql", "scorecards");

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

const good = `scorecard: health
version: 3
created_on: 2026-01-15
in_force_from: 2026-02-01
purpose: churn_risk
desired_outcome: every analyst publishes a report each week
owner: cs-operations
audience: [managers, leadership]
applies_to: { segment: [mid, enterprise], lifecycle: [adopted] }
scale: { from: 0, to: 100 }
combine: weighted_mean
groups:
  - id: usage
    weight: 40
    kpis:
      - { kpi: active_users_28d, weight: 2, points: { linear: { zero_at: 7, full_at: 30 } } }
      - { kpi: key_feature_days_28d, weight: 1, points: { tiers: { upto: [2, 8], give: [0, 50, 100], edge: upper } } }
  - id: support
    weight: 30
    kpis: [ { kpi: open_tickets, weight: 1, points: { peak: { best: [1, 3], zero_at: [0, 12] } } } ]
missing: { rule: reweight, coverage_floor: 0.6 }
gates: [ { id: invoice_sent, kpi: invoices_sent_28d, min: 1, score: 0 } ]
bands: { edge: upper, list: [ { id: red, to: 30 }, { id: yellow, to: 70 }, { id: green, to: 100 } ] }
grades: { letters: { A: 90, B: 80, C: 70, D: 60, F: 0 } }
validated: { on: 2026-01-15, by: cs-operations }
valid_for: 6 months
`;

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(AssayError);
    expect((error as AssayError).exitCode).toBe(2);
    return (error as AssayError).message;
  }
  throw new Error("nothing was refused");
}
const refusalOf = (from: string | RegExp, to: string): string => {
  const text = good.replace(from, to);
  expect(text).not.toBe(good);
  return refusal(() => parseScorecard(text, "v3.yaml"));
};

describe("a scorecard file", () => {
  it("may say everything that the design shows", () => {
    const { card } = parseScorecard(good, "v3.yaml");
    expect(card.groups.map((group) => group.weight)).toEqual([40, 30]);
    expect(card.gates).toEqual([{ id: "invoice_sent", kpi: "invoices_sent_28d", min: 1, score: 0 }]);
  });

  it.each([
    ["a negative weight", "weight: 40", "weight: -40", "v3.yaml:14: groups[0].weight: found -40, expected at least 0"],
    [
      "half a weight",
      "weight: 40",
      "weight: 40.5",
      "v3.yaml:14: groups[0].weight: found 40.5, expected a whole number",
    ],
    [
      "weights that are all zero",
      "kpi: open_tickets, weight: 1",
      "kpi: open_tickets, weight: 0",
      "v3.yaml:20: groups[1].kpis[0].weight: found 0, expected a weight above 0 for at least one KPI of the group",
    ],
    [
      "tiers out of order",
      "upto: [2, 8]",
      "upto: [8, 2]",
      "v3.yaml:17: groups[0].kpis[1].points.tiers.upto[1]: found 2, expected more than 8, the cut before",
    ],
    [
      "too few points for the tiers",
      "give: [0, 50, 100]",
      "give: [0, 50]",
      "v3.yaml:17: groups[0].kpis[1].points.tiers.give: found [0,50], expected 3 points, one more than there are cuts",
    ],
    [
      "bands that overlap",
      "to: 70",
      "to: 20",
      "v3.yaml:23: bands.list[1].to: found 20, expected more than 30, where the band starts",
    ],
    [
      "bands that leave a gap at the top",
      "{ id: green, to: 100 }",
      "{ id: green, to: 90 }",
      "v3.yaml:23: bands.list[2].to: found 90, expected 100, the end of the scale, so that no score is without a band",
    ],
    [
      "a band called unknown",
      "id: red",
      "id: unknown",
      'v3.yaml:23: bands.list[0].id: found "unknown", expected another id: unknown is the band of accounts without a score',
    ],
    [
      "a group without a weight beside one with it",
      "    weight: 30\n",
      "",
      "groups[1].weight: found no weight, expected one as its neighbours have",
    ],
    [
      "two kinds of points",
      "points: { linear: { zero_at: 7, full_at: 30 } }",
      "points: { linear: { zero_at: 7, full_at: 30 }, ratings: { 1: 0, 2: 100 } }",
      "expected exactly one of linear, tiers, ratings, additive, midrank, peak, u or slope",
    ],
    [
      "a line without a length",
      "full_at: 30",
      "full_at: 7",
      "v3.yaml:16: groups[0].kpis[0].points.linear.full_at: found 7, expected another value than zero_at",
    ],
    [
      "a peak inside out",
      "zero_at: [0, 12]",
      "zero_at: [2, 12]",
      "v3.yaml:20: groups[1].kpis[0].points.peak.zero_at: found [2,12], expected two values on either side of best",
    ],
    [
      "points off the scale",
      "give: [0, 50, 100]",
      "give: [0, 50, 101]",
      "v3.yaml:17: groups[0].kpis[1].points.tiers.give: found [0,50,101], expected points on the scale from 0 to 100",
    ],
    [
      "a KPI twice in a group",
      "kpi: key_feature_days_28d",
      "kpi: active_users_28d",
      'v3.yaml:17: groups[0].kpis[1].kpi: found "active_users_28d", expected each KPI once in a group, and active_users_28d is there already',
    ],
    [
      "a misspelled key",
      "in_force_from",
      "in_forse_from",
      "v3.yaml:4: in_forse_from: found an unknown key, expected one of scorecard, version, label",
    ],
    [
      "no purpose",
      "purpose: churn_risk\n",
      "",
      "purpose: found nothing, expected one of churn_risk, behaviour_index, expansion, loyalty",
    ],
    [
      "an assignment by a range that nothing lies in",
      "applies_to: { segment: [mid, enterprise]",
      "applies_to: { users: { at_least: 10, below: 10 }",
      'v3.yaml:9: applies_to.users: found {"at_least":10,"below":10}, expected a below above at_least',
    ],
    [
      "a gate without a limit",
      "min: 1, score: 0",
      "score: 0",
      'v3.yaml:22: gates[0]: found {"id":"invoice_sent","kpi":"invoices_sent_28d","score":0}, expected a min, a max or both',
    ],
    [
      "seven decimals",
      "zero_at: 7,",
      "zero_at: 7.1234567,",
      "v3.yaml:16: groups[0].kpis[0].points.linear.zero_at: found 7.1234567, expected a number with at most six decimals",
    ],
    [
      "letters that leave the bottom out",
      "F: 0",
      "F: 10",
      'v3.yaml:24: grades.letters: found {"A":90,"B":80,"C":70,"D":60,"F":10}, expected a letter that starts at 0, so that no score is without a letter',
    ],
    ["a day that does not exist", "created_on: 2026-01-15", "created_on: 2026-02-30", "v3.yaml:3: created_on: found"],
    [
      "an id that needs quotes",
      "id: support",
      "id: Customer Support",
      'v3.yaml:18: groups[1].id: found "Customer Support", expected an id of lower-case letters',
    ],
    [
      "weights of groups where points are added up",
      "combine: weighted_mean",
      "combine: sum",
      "v3.yaml:14: groups[0].weight: found 40, expected no weight of a group where points are added up",
    ],
    [
      "a gap between bands",
      "{ id: yellow, to: 70 }",
      "{ id: yellow, from: 31, to: 70 }",
      "v3.yaml:23: bands.list[1].from: found 31, expected 30, where red ends: no gap between bands",
    ],
    [
      "one band",
      "list: [ { id: red, to: 30 }, { id: yellow, to: 70 }, { id: green, to: 100 } ]",
      "list: [ { id: green, to: 100 } ]",
      "v3.yaml:23: bands.list: found",
    ],
    [
      "a gate on the best band",
      "min: 1, score: 0",
      "min: 1, band: green",
      'v3.yaml:22: gates[0].band: found "green", expected one of red, yellow: a band below the best',
    ],
    ["a gate on both", "min: 1, score: 0", "min: 1, score: 0, band: red", "expected either a score or a band"],
    [
      "a cap inside out",
      "    weight: 30\n",
      "    weight: 30\n    cap: { min: 50, max: 20 }\n",
      'v3.yaml:20: groups[1].cap: found {"min":50,"max":20}, expected a max above the min',
    ],
    [
      "a cap between whole points of a rounded group",
      "    weight: 30\n",
      "    weight: 30\n    round: integer\n    cap: { max: 20.5 }\n",
      "v3.yaml:21: groups[1].cap.max: found 20.5, expected a whole number, as the group is rounded to one",
    ],
    [
      "another rounding",
      "    weight: 30\n",
      "    weight: 30\n    round: tenth\n",
      'v3.yaml:20: groups[1].round: found "tenth", expected "integer"',
    ],
    [
      "points that add and take away",
      "points: { linear: { zero_at: 7, full_at: 30 } }",
      "points: { additive: { each: -2, most: 30 } }",
      "v3.yaml:16: groups[0].kpis[0].points.additive.most: found 30, expected less than 0, as each is",
    ],
    [
      "a U inside out",
      "peak: { best: [1, 3], zero_at: [0, 12] }",
      "u: { worst: [1, 3], full_at: [2, 12] }",
      "v3.yaml:20: groups[1].kpis[0].points.u.full_at: found [2,12], expected two values on either side of worst",
    ],
    [
      "a slope beyond 1",
      "points: { linear: { zero_at: 7, full_at: 30 } }",
      "points: { slope: { zero_at: -1, full_at: 2 } }",
      "v3.yaml:16: groups[0].kpis[0].points.slope.full_at: found 2, expected at most 1",
    ],
    [
      "a number that is none",
      "full_at: 30",
      "full_at: .nan",
      "v3.yaml:16: groups[0].kpis[0].points.linear.full_at: found NaN, expected a number",
    ],
    [
      "a value that nobody has in two ways",
      "segment: [mid, enterprise]",
      "value: { of: hoped, at_least: 10 }",
      'v3.yaml:9: applies_to.value.of: found "hoped", expected one of current, potential',
    ],
    [
      "a mapping that is left out",
      "missing: { rule: reweight, coverage_floor: 0.6 }\n",
      "",
      "missing: found nothing, expected a mapping of rule, neutral, coverage_floor",
    ],
    [
      "a word in place of a mapping",
      "missing: { rule: reweight, coverage_floor: 0.6 }",
      "missing: zero",
      'missing: found "zero", expected a mapping of rule, neutral, coverage_floor',
    ],
    [
      "a key twice",
      "combine: weighted_mean\n",
      "combine: weighted_mean\ncombine: sum\n",
      "v3.yaml:12: not valid YAML: found the key combine a second time, expected every key once",
    ],
    ["broken YAML", "scale: {", "scale: {{", "v3.yaml:11: not valid YAML: flow map"],
  ])("is refused for %s, with file, line, key and what is right", (_, from, to, sentence) => {
    expect(refusalOf(from, to)).toContain(sentence);
  });

  it("cannot spread the weight of a missing KPI where points are added up", () => {
    const text = good.replace("combine: weighted_mean", "combine: sum").replace(/weight: [43]0/g, "weight: 1");
    expect(refusal(() => parseScorecard(text, "v3.yaml"))).toBe(
      'v3.yaml:21: missing.rule: found "reweight", expected zero or neutral: points that are added up have no weights to spread (combine: sum)',
    );
  });

  it("names the first mistake and says where the others are", () => {
    const text = good.replace("to: 70", "to: 20").replace("upto: [2, 8]", "upto: [8, 2]");
    const [error] = [text].map((broken) => {
      try {
        return parseScorecard(broken, "v3.yaml");
      } catch (thrown) {
        return thrown as AssayError;
      }
    });
    expect(error).toMatchObject({ hint: "also wrong: v3.yaml:23 bands.list[1].to" });
  });

  it("hashes what it means: not comments, order of keys or the sign-off", () => {
    const hash = (text: string) => parseScorecard(text, "v3.yaml").definition_sha256;
    const reordered = good.replace("version: 3\n", "").replace("owner:", "version: 3\nowner:");
    expect(hash(`# a comment\n${reordered.replace("on: 2026-01-15, by", "on: 2026-07-15, by")}`)).toBe(hash(good));
    expect(hash(good.replace("weight: 40", "weight: 41"))).not.toBe(hash(good));
  });
});

it("any change of a file is either valid or refused with a sentence, never a crash", () => {
  const given = parse(good) as Json;
  const places: (string | number)[][] = [];
  const walk = (node: Json, path: (string | number)[]): void => {
    places.push(path);
    if (typeof node === "object" && node !== null) {
      for (const [key, child] of Object.entries(node)) walk(child, [...path, Array.isArray(node) ? Number(key) : key]);
    }
  };
  walk(given, []);
  const junk = fc.oneof(
    fc.constantFrom<Json>(
      null,
      true,
      "",
      "reweight",
      [],
      {},
      [0],
      [1, 2, 3],
      { linear: {} },
      1e308,
      -0,
      0.1 + 0.2,
      1e-7,
    ),
    fc.integer(),
    fc.double(),
    fc.string(),
    fc.jsonValue() as fc.Arbitrary<Json>,
  );
  let refused = 0;
  fc.assert(
    fc.property(fc.constantFrom(...places), junk, fc.boolean(), (path, value, removes) => {
      const copy = structuredClone({ root: given }) as Record<string, Json>;
      const at = ["root", ...path];
      const parent = at.slice(0, -1).reduce<Json>((node, part) => (node as Record<string, Json>)[part] as Json, copy);
      const last = at.at(-1) as string;
      if (removes && path.length > 0 && !Array.isArray(parent)) delete (parent as Record<string, Json>)[last];
      else (parent as Record<string, Json>)[last] = value;
      try {
        const { card } = parseScorecard(stringify(copy.root), "v3.yaml");
        if (reachProblem(card) === null) cardModel({ ...applied(stringify(copy.root)), card });
      } catch (error) {
        refused += 1;
        expect(error).toBeInstanceOf(AssayError);
        expect((error as AssayError).message).toMatch(/^v3\.yaml:\d+: .+: (found .+, expected .+|not valid YAML.*)$/s);
      }
    }),
    { numRuns: 200, seed: 5 },
  );
  expect(refused).toBeGreaterThan(80);
});

const baseFiles = async (): Promise<readonly string[]> => {
  const folders = (await readdir(presetFolder)).map((name) => join(presetFolder, name));
  return [good, ...(await Promise.all(folders.map((folder) => readFile(join(folder, "v1.yaml"), "utf8"))))];
};

it("any text is either a scorecard that compiles or a usage error, never a crash", async () => {
  const files = await baseFiles();
  const token = fc.constantFrom(
    ...[
      ".nan",
      ".inf",
      "-.inf",
      "1e999",
      "-1",
      "0",
      "0.5",
      "1e-7",
      "99999999999999999999",
      "100000",
      "true",
      "null",
      "~",
      "''",
    ],
    ...[
      "*a",
      "&a",
      "&a 1",
      "&a [*a]",
      "<<: *a",
      "!!binary aGk=",
      "!!set {}",
      "!foo 1",
      "0x1F",
      "0o17",
      "2026-02-30",
      "[",
      "{",
      "}",
      "]",
    ],
    ...[
      "- ",
      "? x",
      "|",
      ">",
      "---",
      "...",
      "%YAML 1.2",
      "\t",
      "\u0000",
      "\ufeff",
      "é",
      "__proto__: 1",
      "constructor",
      "#",
      ",",
      ":",
    ],
    ...[
      "a, a",
      "[0, 0]",
      "[3, 2, 1]",
      "{ a: 1, a: 2 }",
      "{ min: 5, max: 5 }",
      "reweight",
      "sum",
      "start_and_clamp",
      "weighted_mean",
    ],
  );
  const edit = fc.record({
    how: fc.constantFrom("delete", "duplicate", "swap", "replace", "insert", "cut", "number"),
    at: fc.nat(),
    other: fc.nat(),
    token,
  });
  const apply = (
    text: string,
    { how, at, other, token: given }: { how: string; at: number; other: number; token: string },
  ) => {
    const lines = text.split("\n");
    const [i, j] = [at % lines.length, other % lines.length];
    const line = lines[i] as string;
    if (how === "delete") lines.splice(i, 1);
    else if (how === "duplicate") lines.splice(j, 0, line);
    else if (how === "swap") [lines[i], lines[j]] = [lines[j] as string, line];
    else if (how === "insert") lines.splice(i, 0, given);
    else if (how === "cut") return text.slice(0, at % text.length) + text.slice((at + (other % 40)) % text.length);
    else {
      const words = [...line.matchAll(how === "number" ? /-?\d+(\.\d+)?/g : /[\w.-]+/g)];
      const word = words[other % Math.max(1, words.length)];
      if (word !== undefined) lines[i] = line.slice(0, word.index) + given + line.slice(word.index + word[0].length);
    }
    return lines.join("\n");
  };
  let [refused, valid] = [0, 0];
  fc.assert(
    fc.property(fc.constantFrom(...files), fc.array(edit, { minLength: 1, maxLength: 3 }), (file, edits) => {
      const text = edits.reduce(apply, file);
      try {
        const { card } = parseScorecard(text, "v3.yaml");
        if (reachProblem(card) === null) {
          cardModel(applied(text));
          valid += 1;
        }
      } catch (error) {
        refused += 1;
        expect(error).toBeInstanceOf(AssayError);
        expect((error as AssayError).exitCode).toBe(2);
        expect((error as AssayError).message).toMatch(/^v3\.yaml/);
      }
    }),
    { numRuns: 600, seed: 11 },
  );
  expect(refused).toBeGreaterThan(200);
  expect(valid).toBeGreaterThan(50);
});

it("refuses aliases that hold themselves or grow without end", () => {
  expect(refusal(() => parseScorecard("a: &a [*a]", "v1.yaml"))).toMatch(/^v1\.yaml.*not valid YAML: /);
  expect(refusal(() => parseScorecard("a: *nothing", "v1.yaml"))).toMatch(/^v1\.yaml.*not valid YAML: /);
  const bomb = ["a0: &a0 [x, x]", ...Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`)];
  expect(refusal(() => parseScorecard(bomb.join("\n"), "v1.yaml"))).toMatch(/^v1\.yaml.*not valid YAML: /);
});

it("refuses a key that is a list in its own words alone", async () => {
  const warned: unknown[] = [];
  const listen = (warning: unknown) => warned.push(warning);
  process.on("warning", listen);
  expect(refusal(() => parseScorecard("? [a, b]\n: 1\n", "v1.yaml"))).toMatch(
    /^v1\.yaml:1: \[ a, b \]: found an unknown key/,
  );
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", listen);
  expect(warned).toEqual([]);
});

describe("what no account reaches", () => {
  const definitions: readonly Bounding[] = [
    { id: "active_users_28d", measure: "distinct", window_days: 28 },
    { id: "key_feature_days_28d", measure: "active_days", window_days: 28 },
    { id: "open_tickets", measure: "count" },
    { id: "invoices_sent_28d", measure: "count", cap: 1 },
  ];
  const problem = (from: string, to: string, text = good) => {
    const changed = text.replace(from, to);
    expect(changed).not.toBe(text);
    const found = reachProblem(parseScorecard(changed, "v3.yaml").card, definitions);
    return found === null ? null : `${found.path.join(".")}: ${found.sentence}`;
  };

  it("is refused in a draft too, by the definitions of the release", () => {
    const known = definitions.map(({ id }) => id);
    expect(readDraft(good, "draft.yaml", known, definitions).file).toBe("draft.yaml");
    const changed = good.replace("upto: [2, 8]", "upto: [2, 28]");
    expect(refusal(() => readDraft(changed, "draft.yaml", known, definitions))).toMatch(
      /^draft\.yaml:\d+: groups\[0\]\.kpis\[1\]\.points\.tiers\.upto\[1\]: found 28, expected a value that an account can reach/,
    );
  });

  it("is named with its key: cuts beyond a KPI's values", () => {
    expect(reachProblem(parseScorecard(good, "v3.yaml").card, definitions)).toBeNull();
    expect(problem("upto: [2, 8]", "upto: [2, 28]")).toBe(
      "groups.0.kpis.1.points.tiers.upto.1: found 28, expected a value that an account can reach: key_feature_days_28d is always between 0 and 28",
    );
    // The lower tier would be the days below 0.
    expect(
      problem("upto: [2, 8], give: [0, 50, 100], edge: upper", "upto: [0, 8], give: [0, 50, 100], edge: lower"),
    ).toBe(
      "groups.0.kpis.1.points.tiers.upto.0: found 0, expected a value that an account can reach: key_feature_days_28d is always between 0 and 28",
    );
    expect(problem("upto: [2, 8]", "upto: [0, 8]")).toBeNull();
    expect(problem("zero_at: 7,", "zero_at: -7,")).toBe(
      "groups.0.kpis.0.points.linear.zero_at: found -7, expected a value that an account can reach: active_users_28d is never below 0",
    );
    expect(problem("best: [1, 3], zero_at: [0, 12]", "best: [-2, 3], zero_at: [-3, 12]")).toContain(
      "peak.best.0: found -2",
    );
    // One foot may lie where no value is.
    expect(problem("best: [1, 3], zero_at: [0, 12]", "best: [0, 3], zero_at: [-1, 12]")).toBeNull();
  });

  it("is named with its key: gates that nobody or everybody fails", () => {
    expect(problem("min: 1, score: 0", "min: 2, score: 0")).toBe(
      "gates.0.min: found 2, expected a value that an account can reach: invoices_sent_28d is always between 0 and 1",
    );
    expect(problem("min: 1, score: 0", "min: 0, score: 0")).toBe(
      "gates.0.min: found 0, expected a gate that an account can fail: invoices_sent_28d is always between 0 and 1",
    );
    expect(problem("min: 1, score: 0", "max: 1, score: 0")).toContain(
      "gates.0.max: found 1, expected a gate that an account can fail",
    );
  });

  const steps = `scorecard: steps
version: 1
created_on: 2026-01-01
purpose: churn_risk
scale: { from: 0, to: 9 }
combine: sum
groups: [{ id: all, kpis: [{ kpi: a, points: { ratings: { 1: 0, 2: 3 } } }, { kpi: b, points: { ratings: { 1: 1, 2: 4 } } }] }]
missing: { rule: zero, coverage_floor: 1 }
bands: { edge: upper, list: [{ id: red, to: 2 }, { id: yellow, to: 5 }, { id: green, to: 9 }] }
`;
  it("is named with its key: bands that points cannot lead to", () => {
    // Scores are 1, 4, 4 and 7.
    expect(problem("id: green, to: 9", "id: gold, to: 8 }, { id: green, to: 9", steps)).toBe(
      "bands.list.3.to: found 9, expected a band that an account can reach: scores run from 1 to 7 in steps",
    );
    expect(problem("{ id: yellow, to: 5 }", "{ id: yellow, to: 3 }, { id: amber, to: 5 }", steps)).toContain(
      "bands.list.1.to: found 3, expected a band that an account can reach",
    );
    expect(problem("coverage_floor: 1", "coverage_floor: 0", steps)).toBeNull();
    // With nothing known the sum is 0: a band for it is reached once the floor lets it through.
    const zero = steps.replace("[{ id: red, to: 2 }", "[{ id: none, to: 0.5 }, { id: red, to: 2 }");
    expect(problem("coverage_floor: 1", "coverage_floor: 0", zero)).toBeNull();
    expect(reachProblem(parseScorecard(zero, "v1.yaml").card)?.sentence).toContain("found 0.5");
    // A gate may lead there.
    expect(problem("bands:", "gates: [{ id: gone, kpi: a, min: 2, score: 0 }]\nbands:", zero)).toBeNull();
    expect(problem("bands:", "gates: [{ id: gone, kpi: a, min: 2, band: none }]\nbands:", zero)).toBeNull();
    expect(problem("bands:", "grades: { letters: { A: 8, B: 0 } }\nbands:", steps)).toBe(
      "grades.letters.A: found 8, expected a letter that an account can reach: scores run from 1 to 7 in steps",
    );
  });

  it("is found where a weight of the missing goes to the others", () => {
    const half = good
      .replace(
        "points: { peak: { best: [1, 3], zero_at: [0, 12] } }",
        "points: { peak: { best: [1, 3], zero_at: [0, 12], give: [0, 20] } }",
      )
      .replace("{ id: green, to: 100 }", "{ id: green, to: 90 }, { id: gold, to: 100 }");
    // All known: (40 x 100 + 30 x 20) / 70 = 65.7 at most; without tickets 57 % of the weight is known, below the floor of 60 %.
    expect(problem("weight: 30", "weight: 31", half.replace("coverage_floor: 0.6", "coverage_floor: 0.9"))).toContain(
      "bands.list.2.to: found 90",
    );
    expect(problem("coverage_floor: 0.6", "coverage_floor: 0.5", half)).toBeNull();
  });
});

describe("the scorecards of a book", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "assay-scorecards-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const write = async (path: string, text: string) => {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), text);
  };
  const kpis = ["active_users_28d", "key_feature_days_28d", "open_tickets", "invoices_sent_28d"];
  const resolve = (names: { scorecards?: string[]; compare?: string[]; kpis?: string[] }) =>
    resolveScorecards(
      { folder, scorecards: [], compare: [], kpis, ...names },
      kpis.map((id) => ({ id })),
    );
  const message = (promise: Promise<unknown>) =>
    promise.then(
      () => "nothing was refused",
      (error: AssayError) => `${error.exitCode} ${error.message}`,
    );

  it("are all versions of a folder, in the order of their numbers, or a preset", async () => {
    for (const version of [2, 10, 1]) {
      await write(`scorecards/health/v${version}.yaml`, good.replace("version: 3", `version: ${version}`));
    }
    const cards = await resolve({
      scorecards: ["scorecards/health"],
      compare: ["scorecards/health", "naive_baseline"],
      kpis: [...kpis, "logins_28d", "nps", "feature_events_28d"],
    });
    expect(
      cards.map(({ card, file, assign_order, is_preset }) => [card.version, file, assign_order, is_preset]),
    ).toEqual([
      [1, "scorecards/health/v1.yaml", 1, false],
      [2, "scorecards/health/v2.yaml", 1, false],
      [10, "scorecards/health/v10.yaml", 1, false],
      [1, "sql/scorecards/naive_baseline/v1.yaml", null, true],
    ]);
    expect(JSON.stringify(cards)).not.toContain(folder);
  });

  it("name only KPIs that the book lists", async () => {
    await write("scorecards/health/v3.yaml", good.replace("kpi: open_tickets", "kpi: open_tikets"));
    expect(await message(resolve({ scorecards: ["scorecards/health"] }))).toContain(
      "2 scorecards/health/v3.yaml:20: groups[1].kpis[0].kpi: found open_tikets, expected a KPI that the book lists under kpis",
    );
    await write("scorecards/health/v3.yaml", good.replace("kpi: invoices_sent_28d", "kpi: invoices"));
    expect(await message(resolve({ scorecards: ["scorecards/health"] }))).toContain(
      "2 scorecards/health/v3.yaml:22: gates[0].kpi: found invoices, expected a KPI",
    );
    expect(await message(resolve({ compare: ["naive_baseline"] }))).toContain(
      "2 assay.yaml: compare[0]: found naive_baseline, which scores logins_28d and nps and feature_events_28d, expected every KPI of it under kpis",
    );
  });

  it("are found, have versions, and are called what their files say", async () => {
    expect(await message(resolve({ scorecards: ["scorecards/none"] }))).toBe(
      "2 assay.yaml: scorecards[0]: found scorecards/none, expected a folder of the book or one of the presets additive_points, catalyst, churnzero, default, freshsuccess_40_30_30, gainsight, hubspot, naive_baseline, nine_point, onboarding, planhat, totango, vitally",
    );
    await write("assay.yaml", "book: test\n# a comment\nscorecards:\n  - naive_baselin\n");
    expect(await message(resolve({ scorecards: ["naive_baselin"] }))).toContain(
      "2 assay.yaml:4: scorecards[0]: found naive_baselin, expected a folder of the book or one of the presets",
    );
    await rm(join(folder, "assay.yaml"));
    await write("scorecards/empty/draft.yaml", good);
    expect(await message(resolve({ compare: ["scorecards/empty"] }))).toBe(
      "2 assay.yaml: compare[0]: found a folder scorecards/empty without a version, expected a file v1.yaml in it",
    );
    await write("scorecards/health/v4.yaml", good);
    expect(await message(resolve({ scorecards: ["scorecards/health"] }))).toBe(
      "2 scorecards/health/v4.yaml:2: version: found 3, expected 4 as in the file's name",
    );
    await write("one/v3.yaml", good);
    await write("two/v3.yaml", good);
    expect(await message(resolve({ scorecards: ["one"], compare: ["two"] }))).toBe(
      "2 two/v3.yaml:1: scorecard: found health, expected an id that no other scorecard of the book has",
    );
  });

  it("keep sums within their scale", async () => {
    const sum = good
      .replace("combine: weighted_mean", "combine: sum")
      .replace("rule: reweight", "rule: zero")
      .replace(/weight: [43]0/g, "weight: 1")
      .replace("linear: { zero_at: 7, full_at: 30 }", "linear: { zero_at: 7, full_at: 30, give: [0, 20] }")
      .replace("peak: { best: [1, 3], zero_at: [0, 12] }", "peak: { best: [1, 3], zero_at: [0, 12], give: [-5, 10] }");
    await write("scorecards/health/v3.yaml", sum);
    // 2 x 20 + 100 + 10 at most, 0 + 0 - 5 at least.
    expect(await message(resolve({ scorecards: ["scorecards/health"] }))).toBe(
      "2 scorecards/health/v3.yaml:10: scale: found 0 to 100, expected a scale that holds every sum from -5 to 150, or combine: start_and_clamp",
    );
  });

  it("never change under the same number", async () => {
    await write("scorecards/health/v3.yaml", good);
    const cards = await resolve({ scorecards: ["scorecards/health"] });
    const known = recordOf(cards);
    checkImmutability(known, cards);
    checkImmutability([], cards);
    await write("scorecards/health/v3.yaml", good.replace("full_at: 30", "full_at: 31"));
    const changed = await resolve({ scorecards: ["scorecards/health"] });
    expect(refusal(() => checkImmutability(known, changed))).toBe(
      "scorecards/health/v3.yaml:16: groups[0].kpis[0].points.linear.full_at: found 31, expected 30 as in the release that first used version 3 of health",
    );
    // What releases of before remember is only that something changed.
    const hashes = known.map(({ definition: _, ...row }) => row);
    expect(refusal(() => checkImmutability(hashes, changed))).toBe(
      "scorecards/health/v3.yaml: version 3 of health has other content than the release that first used it, expected a new version for a change",
    );
  });
});

describe("words", () => {
  it("describe points and bands", () => {
    expect(pointsInWords({ linear: { zero_at: 10, full_at: 0 } }, [0, 100])).toBe(
      "0 at 10 or above, 100 at 0 or below, a straight line between",
    );
    expect(pointsInWords({ tiers: { upto: [2, 8], give: [0, 50, 100], edge: "upper" } }, [0, 100])).toBe(
      "0 up to 2, 50 up to 8, then 100",
    );
    const list = [
      { id: "red", to: 31 },
      { id: "yellow", to: 71 },
      { id: "green", to: 100 },
    ];
    expect(bandsInWords({ edge: "lower", list })).toBe("red below 31, yellow below 71, green from 71");
    expect(bandsInWords({ edge: "upper", list })).toBe("red up to 31, yellow up to 71, green above 71");
  });

  it("say what a gate, an override and missing values did to a score", () => {
    const row = {
      account_id: "a",
      snapshot_date: "2026-03-02",
      scorecard: "health",
      version: 1,
      is_in_force: true,
      score: 0,
      score_low: 0,
      score_high: 0,
      coverage: 1,
      score_before: 74,
      band_before: "green",
      band: "red",
      gated_by: "invoice_sent",
      overridden_by: null,
    };
    expect(scoreInWords(row)).toBe("0, red; would be 74, green without the gate invoice_sent");
    const unknown = { score: null, score_before: null, score_low: 6, score_high: 86, coverage: 0.2, gated_by: null };
    expect(scoreInWords({ ...row, ...unknown, band: "unknown" })).toBe(
      "no score: 80 % of the weight has no value, it could be anything between 6 and 86",
    );
  });
});

describe("spread", () => {
  it("cuts a total in proportion without losing a unit", () => {
    expect(spread(100n, [1n, 1n, 1n])).toEqual([34n, 33n, 33n]);
    expect(spread(100n, [1n, 2n, 4n])).toEqual([14n, 29n, 57n]);
    expect(spread(10n, [0n, 0n])).toEqual([0n, 0n]);
  });
});
