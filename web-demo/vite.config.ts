import { defineConfig } from "vite";

export default defineConfig({
  // Works under any path of any server.
  base: "./",
  build: { target: "es2023", assetsInlineLimit: 0 },
  worker: { format: "es" },
});
