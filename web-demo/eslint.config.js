import js from "@eslint/js";
import { configs as lit } from "eslint-plugin-lit";
import { defineConfig } from "eslint/config";
import typescript from "typescript-eslint";

export default defineConfig(
  { ignores: ["dist", "pkg", "test-output"] },
  js.configs.recommended,
  {
    files: ["src/**/*.ts", "vite.config.ts", "tests/**/*.js"],
    extends: [typescript.configs.strictTypeChecked, typescript.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  {
    // Checked as types by tsc; these rules do not read JSDoc's casts, or know Node's test runner.
    files: ["tests/**/*.js"],
    rules: {
      "no-undef": "off",
      "@typescript-eslint/dot-notation": "off",
      "@typescript-eslint/no-floating-promises": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
    },
  },
  { files: ["src/components/**/*.ts"], ...lit["flat/recommended"] },
);
