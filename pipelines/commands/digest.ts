import { nearest } from "../config/yaml.ts";
import { usageError } from "../lib/errors.ts";
import { type Digest, digestMarkdown, readDigests } from "../portfolio/digest.ts";
import { type BookOptions, type Context, openRelease } from "./context.ts";
import { formatTable } from "./table.ts";

/** What changed for the accounts of each owner; with an owner, the whole digest as the release holds it. */
export async function digest(
  context: Context,
  name: string,
  owner: string | undefined,
  options: BookOptions & { readonly json?: boolean },
): Promise<void> {
  const { database } = await openRelease(context, name, options);
  try {
    const digests = await readDigests(database.query);
    const wanted = owner === undefined ? digests : [findOwner(digests, owner)];
    if (options.json) context.print(JSON.stringify(wanted, null, 2));
    else context.print(owner === undefined ? describeDigests(digests) : digestMarkdown(wanted[0] as Digest));
  } finally {
    database.close();
  }
}

function findOwner(digests: readonly Digest[], owner: string): Digest {
  const found = digests.find((digest) => digest.owner === owner);
  if (found !== undefined) return found;
  const owners = digests.flatMap((digest) => digest.owner ?? []);
  const near = nearest(owner, owners);
  throw usageError(
    `no paying account has the owner ${owner}, expected one of ${owners.slice(0, 20).join(", ") || "none: the book's accounts have no owner"}`,
    near === undefined ? undefined : `did you mean ${near}?`,
  );
}

export function describeDigests(digests: readonly Digest[]): string {
  const [first] = digests;
  if (first === undefined) return "no account pays: nothing to tell";
  const table = formatTable(
    digests.map((d) => ({
      owner: d.owner ?? "no owner",
      accounts: d.n_accounts,
      red: d.n_red,
      "newly red": d.newly_red.length,
      "new flags": d.new_flags.length,
      "fell 10": d.fell.length,
      "renews in 90 days": d.renewals.length,
      "plays to begin": d.plays.length,
      file: d.file,
    })),
    undefined,
    80,
  );
  return `DIGESTS, ${first.as_of} (files in out/digest of the release)\n${table}`;
}
