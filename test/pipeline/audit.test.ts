import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { audit } from "../../pipelines/commands/audit.ts";
import { type Context, openBook, openRelease } from "../../pipelines/commands/context.ts";
import { refresh } from "../../pipelines/commands/refresh.ts";
import { status } from "../../pipelines/commands/status.ts";
import { AssayError } from "../../pipelines/lib/errors.ts";
import { sha256File } from "../../pipelines/lib/files.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { simulate } from "../../pipelines/simulate/simulate.ts";

const work = mkdtempSync(join(tmpdir(), "assay-audit-"));
const book = join(work, "book");
const release = (): string => realpathSync(join(book, ".assay", "current"));
const write = (file: string, text: string): void => writeFileSync(join(book, file), text);
const printed: string[] = [];
const context: Context = {
  cwd: work,
  env: {},
  now: () => new Date(),
  log: silentLog,
  print: (text) => printed.push(text),
};
/** The exit code of a command, and what it printed. */
async function run(
  command: () => Promise<void>,
): Promise<{ readonly code: number; readonly told: string; readonly error: string }> {
  printed.length = 0;
  try {
    await command();
    return { code: 0, told: printed.join("\n"), error: "" };
  } catch (error) {
    if (!(error instanceof AssayError)) throw error;
    return { code: error.exitCode, told: printed.join("\n"), error: error.message };
  }
}
const query = async <Row>(sql: string): Promise<readonly Row[]> => {
  const { database } = await openRelease(context, book, {});
  try {
    return (await database.query(sql)) as readonly Row[];
  } finally {
    database.close();
  }
};
/** The site is another test's business. */
const refreshBook = async () => {
  const { book: read, state } = await openBook(context, book, {});
  return refresh({ book: read, state, site: false, now: context.now, log: silentLog });
};
interface Finding {
  readonly severity: string;
  readonly sentence: string;
  readonly facts: Readonly<Record<string, unknown>>;
}
const findings = async (): Promise<{
  readonly code: number;
  readonly found: Readonly<Record<string, readonly Finding[]>>;
}> => {
  const { code, told } = await run(() => audit(context, book, { json: true }));
  const { sections } = JSON.parse(told) as { sections: readonly { id: string; findings: readonly Finding[] }[] };
  return { code, found: Object.fromEntries(sections.map(({ id, findings: own }) => [id, own])) };
};

const card = (signed: string): string => `
scorecard: health
version: 1
created_on: 2024-01-01
purpose: churn_risk
groups:
  - id: all
    kpis:
      - { kpi: logins_28d, weight: 60, points: { linear: { zero_at: 0, full_at: 60 } } }
      - { kpi: open_tickets, weight: 40, points: { linear: { zero_at: 12, full_at: 0 } } }
missing: { rule: reweight, coverage_floor: 0.5 }
bands: { edge: upper, list: [{ id: red, to: 30 }, { id: yellow, to: 70 }, { id: green, to: 100 }] }
validated: { on: ${signed}, by: Ida }
silence: [{ rule: few_kpis, because: two are what we can explain }]
`;

let account = "";
beforeAll(async () => {
  await simulate({ out: book, accounts: 120, months: 12, seed: 3, kind: "tiny", log: silentLog });
  const yaml = readFileSync(join(book, "assay.yaml"), "utf8");
  const hand =
    "  overrides: { entity: override, files: overrides.csv }\n  known: { entity: known_account, files: known_accounts.csv }\n";
  write(
    "assay.yaml",
    yaml.replace("\nchurn:\n", `\n${hand}\nchurn:\n`).replace(/^scorecards: .*$/m, "scorecards: [scorecards/health]"),
  );
  mkdirSync(join(book, "scorecards", "health"), { recursive: true });
  write("scorecards/health/v1.yaml", card("2020-01-31"));
  write("flags.yaml", "- { id: many_tickets, label: Many tickets, kpi: open_tickets, at_least: 2, kind: risk }\n");
  write("overrides.csv", "account_id,band,from_on,expires_on,reason,author\n");
  write("known_accounts.csv", "account_id,expected_band,said_by,said_on\n");
  await refreshBook();
  const [worst] = await query<{ account_id: string }>(
    "select account_id from scores.account_score where is_in_force and snapshot_date = (select as_of from meta.release) order by score, account_id limit 1",
  );
  account = worst?.account_id ?? "";
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe("a book with files that people write", { timeout: 240_000 }, () => {
  test("an expired sign-off fails audit and status, and no refresh", async () => {
    const { code, found } = await findings();
    expect(code).toBe(5);
    expect(found.sign_offs?.map(({ severity, sentence }) => [severity, sentence])).toEqual([
      ["failure", "the sign-off of health v1 expired on 2020-07-31"],
    ]);
    const told = await run(() => status(context, book, {}));
    expect(told.code).toBe(5);
    expect(told.told).toMatch(/, 1 expired sign-off$/);
    expect(told.error).toMatch(/the sign-off of health v1 expired on 2020-07-31/);
    expect(
      await query("select sign_off, cast(valid_until as varchar) as until from marts.scorecard where is_current"),
    ).toEqual([{ sign_off: "expired", until: "2020-07-31" }]);
  });

  test("a renewed one mends both, is no new version, and what was silenced is still told", async () => {
    // Any day but one within six months of the test is wrong: sign today.
    write("scorecards/health/v1.yaml", card(new Date().toISOString().slice(0, 10)));
    expect((await refreshBook()).outcome).toBe("published");
    const { code, found } = await findings();
    expect(code).toBe(0);
    expect(found.sign_offs?.map(({ severity }) => severity)).toEqual(["note"]);
    expect(found.lint?.map(({ facts, severity }) => [facts.rule, severity])).toContainEqual(["few_kpis", "silenced"]);
    expect((await run(() => status(context, book, {}))).code).toBe(0);
  });

  test("an override and a known account show at once, in the newest snapshot only, and an edit leaves the past alone", async () => {
    appendFileSync(
      join(book, "overrides.csv"),
      `${account},green,2024-01-01,,three-year renewal,Ida\nnobody,green,2024-01-01,,,Ida\n`,
    );
    appendFileSync(join(book, "known_accounts.csv"), `${account},green,Ida,\n`);
    const { warnings } = await refreshBook();
    expect(warnings).toContain("override of nobody by Ida: no export knows this account");
    const shown = await query<{ band: string; overridden_by: string | null; is_newest: boolean }>(
      "select band, overridden_by, snapshot_date = (select as_of from meta.release) as is_newest from scores.account_score " +
        `where account_id = '${account}' and is_in_force order by snapshot_date`,
    );
    expect(shown.at(-1)).toEqual({ band: "green", overridden_by: "Ida", is_newest: true });
    expect(shown.slice(0, -1).filter(({ overridden_by }) => overridden_by !== null)).toEqual([]);
    const { found } = await findings();
    expect(found.overrides?.map(({ severity, sentence }) => [severity, sentence])).toEqual([
      ["warning", "nobody as green, by Ida: no export knows the account"],
      ["note", `${account} as green, by Ida (three-year renewal): holds, without an end`],
    ]);
    // The score behind the override is what a known account tests.
    expect(found.known_accounts?.[0]?.sentence).toBe("health v1 agrees with 0 of 1");
    expect(found.known_accounts?.[1]?.sentence).toMatch(
      new RegExp(`^${account}: Ida said green, health v1 says [\\d.]+, red on `),
    );
  });

  test("out/ holds scores and flags, as the manifest says", async () => {
    const manifest = JSON.parse(readFileSync(join(release(), "manifest.json"), "utf8"));
    for (const { file, sha256 } of manifest.out)
      expect(await sha256File(join(release(), "out", file)), file).toBe(sha256);
    const lines = readFileSync(join(release(), "out", "scores.csv"), "utf8")
      .trimEnd()
      .split("\n");
    const [paying] = await query<{ n: number }>(
      "select count(*) as n from spine.account_snapshot where snapshot_date = (select as_of from meta.release)",
    );
    expect(lines.length).toBe((paying?.n ?? 0) + 1);
    expect(lines.find((line) => line.startsWith(`${account},`))).toMatch(/,health,1,[\d.]+,green,Ida,/);
    const flags = readFileSync(join(release(), "out", "flags.csv"), "utf8")
      .trimEnd()
      .split("\n")
      .slice(1);
    const [raised] = await query<{ n: number }>("select count(*) as n from scores.account_flag where is_raised");
    expect(flags.length).toBe(raised?.n);
    expect(flags.length).toBeGreaterThan(0);
  });
});
