import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { readBook } from "../../pipelines/config/book.ts";
import { csvText } from "../../pipelines/lib/csv.ts";
import { printable } from "../../pipelines/lib/log.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { literal, quoteIdentifier } from "../../pipelines/warehouse/literal.ts";
import { type TestBook, testBook } from "../loading.ts";
import { assay } from "../pipeline/assay.ts";

const open: TestBook[] = [];
async function book(sources: string, rest?: string): Promise<TestBook> {
  const made = await testBook(sources, rest);
  open.push(made);
  return made;
}
afterEach(async () => {
  for (const made of open.splice(0)) await made.drop();
});

describe("paths", () => {
  it.each([
    "/etc/passwd",
    "../tickets.csv",
    "exports/../../tickets.csv",
    "..",
  ])("files: %s leads out of the book and is refused with its line", async (files) => {
    const made = await book(`tickets: { entity: ticket, files: "${files}" }`);
    await expect(made.read()).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(
        /^assay\.yaml:\d+: sources\.tickets\.files: found .*, expected a path below exports_root/,
      ),
    });
  });

  it("a link out of the exports is refused; one that stays inside is a file like any other", async () => {
    const outside = await mkdtemp(join(tmpdir(), "assay-outside-"));
    try {
      await writeFile(join(outside, "secret.csv"), "account_id,opened_at\na,2024-01-05\n");
      const made = await book('tickets: { entity: ticket, files: "tickets*.csv" }');
      await made.write("real.csv", "account_id,opened_at\na,2024-01-05\n");
      await symlink(join(made.folder, "real.csv"), join(made.folder, "tickets_1.csv"));
      expect((await made.load()).deliveries.find(({ source }) => source === "tickets")?.rows_loaded).toBe(1);
      await symlink(join(outside, "secret.csv"), join(made.folder, "tickets_2.csv"));
      await expect(made.load()).rejects.toMatchObject({
        exitCode: 3,
        message: expect.stringMatching(/^tickets_2\.csv is a link that leads to .*secret\.csv, expected a file below/),
      });
    } finally {
      await rm(outside, { recursive: true });
    }
  });

  it("an exports_root that is itself a link is where the owner put it", async () => {
    const made = await book('tickets: { entity: ticket, files: "tickets.csv" }', "exports_root: elsewhere");
    await mkdir(join(made.folder, "mounted"));
    await symlink(join(made.folder, "mounted"), join(made.folder, "elsewhere"));
    for (const [name, text] of [
      ["accounts.csv", "account_id,created_at\na,2024-01-01\n"],
      ["usage.csv", "account_id,event_time,event\na,2024-02-01 10:00:00,login\n"],
      ["tickets.csv", "account_id,opened_at\na,2024-01-05\n"],
    ] as const)
      await made.write(`mounted/${name}`, text);
    expect((await made.load()).deliveries).toHaveLength(3);
  });
});

it("names of files, columns and values with quotes, semicolons, newlines and brackets arrive as they are", async () => {
  const nasty = `x'); drop table raw.ticket; --"\n<b>`;
  const made = await book(
    `tickets: { entity: ticket, files: "t*.csv", columns: { category: ${JSON.stringify(nasty.replace("\n", " "))} } }`,
  );
  const file = `t'";drop {a}[1] --.csv`;
  await made.write(
    file,
    csvText(
      ["account_id", "opened_at", nasty.replace("\n", " ")],
      [{ account_id: "a", opened_at: "2024-01-05", [nasty.replace("\n", " ")]: nasty }],
    ),
  );
  const load = await made.load();
  expect(load.deliveries.find(({ source }) => source === "tickets")).toMatchObject({ file, rows_loaded: 1 });
  const { database } = await made.stage(load);
  try {
    expect(await database.scalar("select category from staging.ticket")).toBe(nasty);
  } finally {
    database.close();
  }
});

it("any text is the same text after a statement was made of it, as a value and as a name", async () => {
  const database = await Database.open({ path: ":memory:" });
  try {
    await fc.assert(
      fc.asyncProperty(
        // NUL ends a statement for the engine's parser: literal() refuses it, and no file of text holds one.
        fc.string({ unit: "binary", minLength: 1, maxLength: 40 }).filter((text) => !text.includes("\0")),
        async (text) => {
          const [row] = await database.query<Record<string, string>>(
            `select ${literal(text)} as value, 1 as ${quoteIdentifier(text)}`,
          );
          expect(row?.value).toBe(text);
          expect(Object.keys(row ?? {})).toContain(text);
        },
      ),
      { numRuns: 200 },
    );
  } finally {
    database.close();
  }
});

it("what a name would do to a terminal is written out", () => {
  expect(printable("tickets\u001b[2K\u001b]0;x\u0007\r\n\u202egnp.csv\u009b1m")).toBe(
    "tickets\\u001b[2K\\u001b]0;x\\u0007\\u000d\\u000a\\u202egnp.csv\\u009b1m",
  );
  expect(printable("two\nlines\tand é👩\u001b", { lines: true })).toBe("two\nlines\tand é👩\\u001b");
});

it("a file whose name holds line breaks and escape codes is refused in one line of the log", async () => {
  const made = await book('tickets: { entity: ticket, files: "t*.csv", settle: 0s }\n');
  await made.write(
    "assay.yaml",
    (await readFile(join(made.folder, "assay.yaml"), "utf8")).replaceAll("csv }", "csv, settle: 0s }"),
  );
  await made.write("t\u001b[31m\nassay: all is well\n.csv", "account_id\na\n");
  const ran = await assay(["refresh", made.folder]);
  expect(ran.code).toBe(3);
  expect(ran.stderr).not.toContain("\u001b");
  expect(ran.stderr.split("\n").filter((line) => line.startsWith("assay: "))).toEqual([
    expect.stringContaining("t\\u001b[31m\\u000aassay: all is well\\u000a.csv: "),
  ]);
});

describe("yaml", () => {
  const read = async (text: string) => {
    const folder = await mkdtemp(join(tmpdir(), "assay-yaml-"));
    try {
      await writeFile(join(folder, "assay.yaml"), text);
      return await readBook(folder, { cwd: folder, env: {} });
    } finally {
      await rm(folder, { recursive: true });
    }
  };

  it("anchors that grow without end cost one sentence", async () => {
    const bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"];
    for (const [name, from] of ["ba", "cb", "dc", "ed", "fe", "gf", "hg", "ih"].map((pair) => [...pair]))
      bomb.push(`${name}: &${name} [${Array(9).fill(`*${from}`).join(", ")}]`);
    await expect(read(`${bomb.join("\n")}\nbook: x\n`)).rejects.toMatchObject({ exitCode: 2 });
  });

  it.each([
    ["levels within levels, in brackets", `a: ${"[".repeat(20_000)}${"]".repeat(20_000)}\nbook: x\n`],
    ["and by indent", `book: x\n${Array.from({ length: 3000 }, (_, i) => `${" ".repeat(i)}a:`).join("\n")}`],
    ["an alias for what holds it", "book: x\na: &a [*a]\n"],
    ["a merge of an anchor", "book: x\nb: &b { c: 1 }\nsources: { <<: *b }\n"],
    ["code for another parser", "book: !!js/function 'process.exit()'\n"],
    ["bytes", "book: !!binary aGVsbG8=\n"],
    ["two documents", "book: x\n---\nbook: y\n"],
    ["control characters", 'book: "\\e[31mred\\n\\0"\n'],
    ["a megabyte of name", `book: ${"a".repeat(1_000_000)}\n`],
    ["methods as keys", "book: x\nconstructor: {}\ntoString: 1\n"],
  ])("%s: one sentence", async (_, text) => {
    const error = await read(text).then(
      () => null,
      (found: unknown) => found as { readonly exitCode: number; readonly message: string },
    );
    expect(error?.exitCode).toBe(2);
    expect(error?.message).toMatch(/^assay\.yaml(:\d+)?: [^\n]+$/);
  });

  it("a key such as __proto__ is a key that no book has", async () => {
    await expect(read("book: x\n__proto__: { polluted: true }\n")).rejects.toMatchObject({ exitCode: 2 });
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});
