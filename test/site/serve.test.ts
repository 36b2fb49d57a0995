import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serveFolder } from "../../pipelines/publish/serve.ts";

let folder: string;
let server: Awaited<ReturnType<typeof serveFolder>>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-serve-"));
  await mkdir(join(folder, "site", "kpis"), { recursive: true });
  await writeFile(join(folder, "secret.txt"), "secret");
  await writeFile(join(folder, "site", "index.html"), "home");
  await writeFile(join(folder, "site", "bands.html"), "bands");
  await writeFile(join(folder, "site", "kpis", "index.html"), "kpis");
  await writeFile(join(folder, "site", "a.arrow"), "arrow");
  await symlink(join(folder, "secret.txt"), join(folder, "site", "link.txt"));
  await symlink(folder, join(folder, "site", "up"), "dir");
  server = await serveFolder({ folder: join(folder, "site"), port: 0 });
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

/** The path goes out as it is written: a URL object would tidy it. */
const get = (
  path: string,
  method = "GET",
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; type: string; location: string; text: string }> =>
  new Promise((resolve, reject) => {
    const { port } = new URL(server.url);
    request({ host: "127.0.0.1", port, path, method, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          type: response.headers["content-type"] ?? "",
          location: response.headers.location ?? "",
          text,
        }),
      );
    })
      .on("error", reject)
      .end();
  });

test("pages answer with and without their extension, folders with their index", async () => {
  expect(await get("/")).toMatchObject({ status: 200, type: "text/html; charset=utf-8", text: "home" });
  expect((await get("/bands")).text).toBe("bands");
  expect((await get("/bands.html?x=1#y")).text).toBe("bands");
  expect((await get("/kpis/")).text).toBe("kpis");
  expect((await get("/a.arrow")).type).toBe("application/vnd.apache.arrow.file");
});

test("a folder without its slash is sent to the one with it, so that its relative links hold", async () => {
  expect(await get("/kpis")).toMatchObject({ status: 308, location: "/kpis/" });
  expect(await get("/kpis?all.q=red")).toMatchObject({ status: 308, location: "/kpis/?all.q=red" });
  expect(await get("/.//kpis")).toMatchObject({ status: 308, location: "/kpis/" });
});

test.each([
  "/../secret.txt",
  "/%2e%2e/secret.txt",
  "/kpis/..%2f..%2fsecret.txt",
  "/..%5csecret.txt",
  "/link.txt",
  "/up/secret.txt",
  "/%252e%252e/secret.txt",
  "/.%2e/secret.txt",
  "/....//secret.txt",
  "/%2fetc%2fpasswd",
  "//etc/passwd",
  "/%00",
  "/%",
])("nothing outside the folder is served: %s", async (path) => {
  const answer = await get(path);
  expect(answer.status).toBe(404);
  expect(answer.text).not.toContain("secret");
});

test("only reading is allowed", async () => {
  expect((await get("/", "POST")).status).toBe(405);
  expect(await get("/", "HEAD")).toMatchObject({ status: 200, text: "" });
});

test("a name that somebody pointed at this machine is refused; its own names are not", async () => {
  const refused = await get("/", "GET", { host: "evil.example:80" });
  expect(refused.status).toBe(403);
  expect(refused.text).not.toContain("home");
  expect((await get("/", "GET", { host: "localhost:4000" })).status).toBe(200);
});

test("readers who go away at once leave no file open", async () => {
  const port = Number(new URL(server.url).port);
  for (let i = 0; i < 40; i += 1) {
    const reader = connect(port, "127.0.0.1");
    await once(reader, "connect");
    reader.write("GET /bands.html HTTP/1.1\r\nHost: localhost\r\n\r\n", () => reader.destroy());
    await once(reader, "close");
  }
  expect((await get("/bands")).text).toBe("bands");
  // Only Linux says which files a process holds.
  const open = async (): Promise<readonly string[]> => {
    const names = await readdir("/proc/self/fd").catch(() => []);
    const paths = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => "")));
    return paths.filter((path) => path.startsWith(folder));
  };
  await expect.poll(open).toEqual([]);
});

test("it listens on this machine only", () => {
  expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
});
