import { describe, expect, it } from "vitest";
import { outsideLine, shardOf } from "../../observable/src/components/managers.ts";
import { parsePlays } from "../../pipelines/config/plays.ts";
import { sha256 } from "../../pipelines/lib/files.ts";
import { markdownText, ownerFile } from "../../pipelines/portfolio/markdown.ts";
import { conditionInWords } from "../../pipelines/portfolio/nodes.ts";
import { afterInWords } from "../../pipelines/portfolio/words.ts";

const call = "- id: call\n  when: { band: red, days_in_band: 7 }\n  steps: [Read the tickets, Call]\n  due_days: 3\n";

describe("plays.yaml", () => {
  it("fills in what a play leaves out", () => {
    const { plays } = parsePlays(call, "plays.yaml");
    expect(plays).toEqual([
      {
        id: "call",
        label: "call",
        bands: ["red"],
        archetypes: [],
        segments: [],
        days_in_band: 7,
        steps: ["Read the tickets", "Call"],
        owner: null,
        due_days: 3,
        recorded_as: "call",
      },
    ]);
    expect(plays.map(conditionInWords)).toEqual(["red for 7 days"]);
  });

  it.each([
    [
      "- id: call\n  when: {}\n  steps: [x]\n  due_days: 3\n",
      /^plays\.yaml:2: \[0\]\.when: .*a band, an archetype or both/,
    ],
    [`${call}${call}`, /^plays\.yaml:5: \[1\]\.id: .*an id that no play before it has/],
    ["- id: call\n  when: { band: red }\n  steps: []\n  due_days: 3\n", /^plays\.yaml:3: \[0\]\.steps: /],
    ["- id: call\n  when: { band: red }\n  steps: [x]\n  due_days: -1\n", /^plays\.yaml:4: \[0\]\.due_days: /],
    ["- id: call\n  when: { bnad: red }\n  steps: [x]\n  due_days: 1\n", /^plays\.yaml:2: \[0\]\.when\.bnad: /],
    [
      "- id: call\n  when: { archetype: ghost, days_in_band: 3 }\n  steps: [x]\n  due_days: 1\n",
      /days_in_band together with a band/,
    ],
  ])("says where a mistake is: %j", (text, message) => {
    expect(() => parsePlays(text, "plays.yaml")).toThrow(message);
  });
});

describe("other people's strings", () => {
  it("are plain text in Markdown", () => {
    expect(markdownText("a|b *c* <img onerror=x> [l](javascript:x)\n# h")).toBe(
      "a\\|b \\*c\\* &lt;img onerror=x&gt; \\[l\\](javascript\\:x) \\# h",
    );
    expect(markdownText("x\u202egnp.exe")).toBe("x\ufffdgnp.exe");
    expect(markdownText("y".repeat(5000))).toBe(`${"y".repeat(119)}…`);
    expect(markdownText(null)).toBe("");
    expect(outsideLine(`x\u202egnp\n${"y".repeat(5000)}`, 10)).toBe("x\ufffdgnp yyy…");
  });

  it("name a file only where they are safe as one, and never the same twice", () => {
    const hashed = (owner: string, slug: string): string => `${slug}-${sha256(owner).slice(0, 8)}.md`;
    expect(ownerFile("csm1")).toBe("csm1.md");
    expect(ownerFile(null)).toBe("no-owner.md");
    expect(ownerFile("no-owner")).toBe(hashed("no-owner", "no-owner"));
    expect(ownerFile("Ann")).toBe(hashed("Ann", "ann"));
    expect(ownerFile("../../etc/passwd")).toBe(hashed("../../etc/passwd", "etc-passwd"));
    expect(ownerFile("con")).toBe(hashed("con", "con"));
    expect(ownerFile("株式会社")).toBe(hashed("株式会社", "owner"));
    expect(ownerFile("x".repeat(300)).length).toBeLessThan(80);
  });
});

it("finds an account's file as the warehouse does", () => {
  // 0x46 = "46": ("4" is 52, "6" is 54): 52 * 31 + 54 = 1666.
  expect(shardOf("F", 65536)).toBe(1666);
  expect(shardOf("F", 128)).toBe(1666 % 128);
  expect(shardOf("", 8)).toBe(0);
});

it("says what came after a play, never what it did", () => {
  const sentence = afterInWords({
    play: "call",
    band: "all",
    days: 90,
    measure: "left",
    n_plays: 12,
    n_matched: 10,
    n_accounts: 9,
    n_like: 40,
    played_rate: 0.2,
    played_low: 0.06,
    played_high: 0.5,
    like_rate: 0.1,
    difference: 0.1,
    difference_low: -0.15,
    difference_high: 0.35,
  });
  expect(sentence).toBe(
    "In the 90 days that came after 10 plays 'call' (9 accounts), 20 % (6 % to 50 %) decided to leave; of 40 like accounts " +
      "without one at the same date 10 %: difference +10 points (-15 to +35).",
  );
  expect(sentence).not.toMatch(/cause|effect|because|work|saved/);
});
