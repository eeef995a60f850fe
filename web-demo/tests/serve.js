/** Serves the built page on a free port of 127.0.0.1, and gives what the environment names. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** @type {Record<string, string>} */
const TYPES = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".svg": "image/svg+xml",
  ".toml": "application/toml",
  ".wasm": "application/wasm",
};

/** @returns {Promise<{ url: string, close: () => Promise<void> }>} */
export async function serve() {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const path = normalize(pathname.endsWith("/") ? `${pathname}index.html` : pathname);
    readFile(join(root, "dist", path)).then(
      (body) => {
        const type = TYPES[extname(path)] ?? "application/octet-stream";
        response.writeHead(200, { "content-type": type }).end(body);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      resolve(undefined);
    });
  });
  const address = server.address();
  if (address === null || typeof address === "string") {
    throw new Error("a server on a port has a port");
  }
  return {
    url: `http://127.0.0.1:${address.port}/`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  };
}

/**
 * What the environment gives. What is missing fails where everything must run, and is said elsewhere.
 *
 * @param {import("node:test").TestContext} context
 * @param {string} name
 */
export function given(context, name) {
  const value = process.env[name];
  if (value !== undefined) {
    return value;
  }
  assert.ok(process.env["CI"] !== "true", `${name} is not set`);
  context.skip(`not run: ${name} is not set; cargo xtask test sets it`);
  return null;
}
