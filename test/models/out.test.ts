import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeOut } from "../../pipelines/commands/out.ts";
import { csvText } from "../../pipelines/lib/csv.ts";
import { sha256 } from "../../pipelines/lib/files.ts";
import { Database } from "../../pipelines/warehouse/database.ts";

const tables = `
create schema meta; create schema staging; create schema spine; create schema scores;
create table meta.params as select date '2026-03-30' as as_of;
create table staging.account as select * from (values
  ('a', 'Alder, "Old" & Sons', date '2026-01-01', null::date), ('a', 'not yet', date '2026-04-01', null),
  ('b', 'before', date '2025-01-01', date '2026-02-01'), ('b', '=1+1', date '2026-02-01', null),
  ('c', null, date '2026-01-01', null), ('gone', 'Gone', date '2026-01-01', null))
  as t (account_id, name, visible_on, superseded_on) cross join (select 'accounts' as source);
create table spine.account_snapshot as select account_id, snapshot_date, true as is_scored
  from (values ('a'), ('b'), ('c')) as t (account_id) cross join (values (date '2026-01-05'), (date '2026-03-02'), (date '2026-03-30')) as d (snapshot_date)
  union all select 'gone', date '2026-03-02', true;
create table scores.account_score as select * from (values
  ('a', date '2026-01-05', 1, true, 95.0, 'green', null), ('a', date '2026-03-02', 1, true, 85.0, 'green', null),
  ('a', date '2026-03-30', 1, true, 75.123456, 'green', null), ('a', date '2026-03-30', 2, false, 10.0, 'red', null),
  ('b', date '2026-03-30', 1, true, null, 'red', 'Ida'), ('gone', date '2026-03-02', 1, true, 50.0, 'yellow', null))
  as t (account_id, snapshot_date, version, is_in_force, score, band, overridden_by)
  cross join (select 'health' as scorecard, 0.7::decimal(18,6) as coverage);
create table scores.flag as select * from (values
  (1, 'low', 'Low use', 'risk', 'x', 'below', 5), (2, 'grows', '+ grows', 'opportunity', 'y', 'at_least', 50))
  as t (flag_no, flag, label, kind, kpi, comparison, threshold);
create table scores.account_flag as select * from (values
  ('a', 'grows', date '2026-03-30', null::date, 60.5, true, true, null::date), ('a', 'low', date '2026-01-05', null, -3, true, false, null),
  ('b', 'low', date '2026-03-02', null, 1, true, false, date '2026-05-01'), ('a', 'low', date '2025-01-06', date '2025-02-03', 1, false, false, null))
  as t (account_id, flag, since, until, value, is_raised, is_new, snoozed_until)
  cross join (select 0 as threshold);
update scores.account_flag set threshold = 5;
create schema marts;
create table marts.portfolio_account as select * from (values
  ('a', 'Alder, "Old" & Sons', '../Ida | <b>', 75.123456, 'green', 'green', 87.0, -11.876544, 4900::bigint, date '2026-05-01', 32, 40, null, false, false),
  ('b', '=1+1', '../Ida | <b>', null, 'red', 'yellow', null, null, 100, null, null, 3, 'Low *use*', true, true),
  ('c', null, null, null, 'unknown', null, null, null, null, date '2026-09-01', 155, 1, null, false, false))
  as t (account_id, name, owner, score, band, week_band, month_score, change_28d, mrr_minor, renews_on, days_to_renewal, days_in_band, new_flags, is_red, is_newly_red)
  cross join (select date '2026-03-23' as week_on, date '2026-03-02' as month_on);
-- Of what a lost by 2026-03-02 the two KPIs that fell most are told; a third, and what rounds to nothing, is not.
create table marts.part_fall as select * from (values
  ('a', 'Open *tickets*', -7.26, true, 1), ('a', 'NPS', -5.0, false, 2), ('a', 'Logins', -0.1, true, 3), ('c', 'Logins', -0.04, true, 1))
  as t (account_id, label, change, is_known_now, fall_no);
create table marts.play as select 1 as play_no, 'call' as play, 'Call' as label, '1. =call' as steps;
create table marts.play_due as select * from (values
  ('b', 'call', '=1+1', '../Ida | <b>', date '2026-03-20', date '2026-03-27', null::date, 'overdue'), ('a', 'call', 'Alder', 'x', date '2026-03-20', date '2026-03-27', date '2026-03-21', 'started'))
  as t (account_id, play, name, owner, since, due_on, started_on, state)
  cross join (select 1 as play_no, 'red' as band, cast(null as varchar) as archetype, 3 as days_in_band, null as score, 100::bigint as mrr_minor, null::date as renews_on);
alter table meta.params add column currency varchar; update meta.params set currency = 'USD';
create schema validation;
create table validation.surprise as select * from (values
  ('green_churner', 'b', 'health', 1, date '2026-01-05', date '2026-02-10', 91.5, 'green', 4900::bigint, 'price', null, null, null::date),
  ('chronic_red', 'a', 'health', 1, date '2025-01-06', null, 12, 'red', 900, null, 'rescued', 'Ida', date '2026-03-01'))
  as t (kind, account_id, scorecard, version, since, decided_on, score_then, band, money, reason, disposition, said_by, said_on);
create table staging.unmatched_id as select * from (values
  ('tickets', 'orgs', 'o9', 'ambiguous', 'a, b', 3::bigint, date '2026-01-01', date '2026-02-01'), ('tickets', 'orgs', 'o1', 'unmatched', '', 1, date '2026-01-02', date '2026-01-02'))
  as t (source, via, ref, why, candidates, n_rows, first_on, last_on);
`;

describe("files for other systems", () => {
  let folder: string;
  let database: Database;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "assay-out-"));
    database = await Database.open({ path: ":memory:" });
    await database.run(tables);
  });
  afterAll(async () => {
    database.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("are a line for every paying account, with its score, band, trend and flags", async () => {
    const files = await writeOut({ database, folder });
    const text = await readFile(join(folder, "scores.csv"), "utf8");
    expect(text).toBe(
      "account_id,name,scorecard,version,score,band,overridden_by,trend,coverage,as_of,flags\n" +
        'a,"Alder, ""Old"" & Sons",health,1,75.123456,green,,declining 20,0.7,2026-03-30,low;grows\n' +
        "b,'=1+1,health,1,,red,Ida,,0.7,2026-03-30,\n" +
        "c,,,,,,,,,2026-03-30,\n",
    );
    expect(files[0]).toEqual({ name: "scores", file: "scores.csv", rows: 3, sha256: sha256(text) });
  });

  it("are a line for every raised flag, snoozed ones too", async () => {
    const files = await writeOut({ database, folder });
    const text = await readFile(join(folder, "flags.csv"), "utf8");
    expect(text).toBe(
      "account_id,name,flag,label,kind,kpi,value,comparison,threshold,since,is_new,snoozed_until,as_of\n" +
        'a,"Alder, ""Old"" & Sons",low,Low use,risk,x,-3,below,5,2026-01-05,false,,2026-03-30\n' +
        'a,"Alder, ""Old"" & Sons",grows,\'+ grows,opportunity,y,60.5,at_least,5,2026-03-30,true,,2026-03-30\n' +
        "b,'=1+1,low,Low use,risk,x,1,below,5,2026-03-02,false,2026-05-01,2026-03-30\n",
    );
    expect(files[1]).toEqual({ name: "flags", file: "flags.csv", rows: 3, sha256: sha256(text) });
  });

  it("are a line for every id that leads to no account or to several", async () => {
    const files = await writeOut({ database, folder });
    const text = await readFile(join(folder, "unmatched_ids.csv"), "utf8");
    expect(text).toBe(
      "source,via,ref,why,candidates,n_rows,first_on,last_on\n" +
        "tickets,orgs,o1,unmatched,,1,2026-01-02,2026-01-02\n" +
        'tickets,orgs,o9,ambiguous,"a, b",3,2026-01-01,2026-02-01\n',
    );
    expect(files.map(({ name }) => name)).toEqual([
      "scores",
      "flags",
      "unmatched_ids",
      "surprises",
      "plays",
      `digest/ida-b-${sha256("../Ida | <b>").slice(0, 8)}`,
      "digest/no-owner",
    ]);
    expect(await readFile(join(folder, "surprises.csv"), "utf8")).toBe(
      "account_id,name,kind,scorecard,version,since,decided_on,score_then,band,money,reason,disposition,said_by,said_on\n" +
        'a,"Alder, ""Old"" & Sons",chronic_red,health,1,2025-01-06,,12,red,900,,rescued,Ida,2026-03-01\n' +
        "b,'=1+1,green_churner,health,1,2026-01-05,2026-02-10,91.5,green,4900,price,,,\n",
    );
    expect(files[2]).toEqual({ name: "unmatched_ids", file: "unmatched_ids.csv", rows: 2, sha256: sha256(text) });
  });
});

describe("plays and digests", () => {
  let folder: string;
  let database: Database;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "assay-out-"));
    database = await Database.open({ path: ":memory:" });
    await database.run(tables);
    await writeOut({ database, folder });
  });
  afterAll(async () => {
    database.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("are a line for every play that has not begun", async () => {
    expect(await readFile(join(folder, "plays.csv"), "utf8")).toBe(
      "account_id,name,play,label,owner,state,due_on,since,band,days_in_band,archetype,score,mrr_minor,renews_on,steps,as_of\n" +
        "b,'=1+1,call,Call,../Ida | <b>,overdue,2026-03-27,2026-03-20,red,3,,,100,,1. =call,2026-03-30\n",
    );
  });

  it("are a file for every owner, whose name and whose accounts' names do nothing in it", async () => {
    const [file, ...others] = (await readdir(join(folder, "digest"))).sort();
    expect(others).toEqual(["no-owner.md"]);
    const text = await readFile(join(folder, "digest", file as string), "utf8");
    expect(text.split("\n")[0]).toBe("# ../Ida \\| &lt;b&gt;, 2026-03-30");
    expect(text).toContain("2 accounts pay 50.00 USD a month; 1 are in the worst band.");
    expect(text).toContain("## Newly red: 1\n\nIn the worst band now and not on 2026-03-23.");
    expect(text).toContain("| b | =1+1 | no score | red | 1.00 USD | yellow |  |");
    expect(text).toContain("| b | =1+1 | no score | red | 1.00 USD | Low \\*use\\* |");
    expect(text).toContain(
      '| a | Alder, "Old" &amp; Sons | 75.1 | green | 49.00 USD | 87.0 | -11.9 | Open \\*tickets\\* -7.3; NPS -5.0 (not known now) |',
    );
    expect(text).toContain("| change | fewer points than on 2026-03-02 from |");
    expect(text).toContain('| a | Alder, "Old" &amp; Sons | 75.1 | green | 49.00 USD | 2026-05-01 |');
    expect(text).toContain("| b | =1+1 | Call | 2026-03-27 | overdue |");
    expect(await readFile(join(folder, "digest", "no-owner.md"), "utf8")).toContain("## Renewals in 90 days: 0");
  });
});

describe("a cell of a CSV", () => {
  it.each([
    ["=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"],
    ["+1", "'+1"],
    ["-1", "'-1"],
    ["@x", "'@x"],
    ["\tx", "'\tx"],
    ["\n=1", `"'\n=1"`],
    ["\r=1", `"'\r=1"`],
    [-1, "-1"],
    [1e-7, "1e-7"],
    [false, "false"],
    [null, ""],
    ["a-b", "a-b"],
    ["zwölf, 12", '"zwölf, 12"'],
  ])("%j", (value, expected) => {
    expect(csvText(["x"], [{ x: value }])).toBe(`x\n${expected}\n`);
  });
});
