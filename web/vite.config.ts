import { resolve } from 'node:path'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const root = import.meta.dirname

// One entry per page; src/server/pages.ts says at which address each is served.
const pages = {
  playground: resolve(root, 'playground/index.html'),
  models: resolve(root, 'models/index.html'),
  apiDocs: resolve(root, 'apiDocs/index.html'),
}

export default defineConfig({
  root,
  base: '/',
  publicDir: false,
  plugins: [react()],
  // The editor starts its workers as modules: a classic worker would be bundled without its dynamic imports.
  worker: { format: 'es' },
  build: {
    outDir: resolve(root, '../dist/web'),
    emptyOutDir: true,
    assetsDir: 'assets',
    sourcemap: false,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // Monaco is one chunk of about 3 MB, loaded after the page is shown.
    chunkSizeWarningLimit: 4_000,
    rolldownOptions: {
      input: pages,
      // GraphiQL ships compiler directives that are already applied: they give one warning per file, none about our code.
      checks: { moduleLevelDirective: false },
    },
  },
})
