/** Every KPI of the library against values worked out by hand (test/fixtures/kpis). */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readFixture, runFixture } from "../../pipelines/commands/fixture.ts";
import { libraryIds } from "../../pipelines/features/library.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { smallBook } from "../small-warehouse.ts";

const folder = join(projectRoot, "test", "fixtures", "kpis");
const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));

describe("the KPI library", () => {
  it("has a fixture for every KPI, under its name", async () => {
    expect(files.map((file) => file.replace(/\.yaml$/, "")).sort()).toEqual(await libraryIds());
  });

  it.each(files)("%s", async (file) => {
    const book = smallBook();
    const fixture = await readFixture({ text: readFileSync(join(folder, file), "utf8"), file, book });
    expect(`${fixture.kpi}.yaml`).toBe(file);
    const failed = (await runFixture(fixture, book)).filter(({ passed }) => !passed);
    expect(failed).toEqual([]);
  });
});
